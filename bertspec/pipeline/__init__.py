"""The narrow waist between the compiler, which writes stages, and the runtime, which runs them."""
