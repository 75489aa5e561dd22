"""`bertspec serve`: an exported model behind HTTP. Needs the packages of the extra `serve`."""
