# bertspec with every stage and DVC, on the CPU; docs/packaging.md shows how it is built and used.
# EXTRAS=predict makes a small image that runs exported models, without PyTorch.
FROM python:3.12-slim AS build
ARG EXTRAS=train
RUN python -m venv /opt/bertspec
ENV PATH=/opt/bertspec/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /source
COPY constraints.txt ./
# PyTorch alone is from its own index, which has few versions of what it needs.
RUN case ",$EXTRAS," in *,train,*|*,demo,*|*,openvino,*|*,ray,*|*,sweep,*|*,dev,*) \
      pip install --no-deps --constraint constraints.txt \
        --index-url https://download.pytorch.org/whl/cpu torch ;; \
    esac
# Packages before the code, for a stub of it: a change of the code does not install them again.
COPY pyproject.toml ./
RUN mkdir -p /stub/bertspec \
    && cp pyproject.toml /stub \
    && touch /stub/README.md /stub/LICENSE \
    && echo '__version__ = "0"' > /stub/bertspec/__init__.py \
    && pip install --constraint constraints.txt "/stub[$EXTRAS]" \
    && rm -r /stub
COPY README.md LICENSE ./
COPY bertspec ./bertspec
RUN pip install --no-deps .

FROM python:3.12-slim
# DVC calls git. A mounted project belongs to somebody else, which git would refuse.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/* \
    && git config --system --add safe.directory '*' \
    && useradd --create-home --uid 1000 bertspec
COPY --from=build /opt/bertspec /opt/bertspec
# With `--user` it runs as somebody without a name and a home, which PyTorch and DVC ask for.
ENV PATH=/opt/bertspec/bin:$PATH DVC_NO_ANALYTICS=1 USER=bertspec HOME=/tmp
USER bertspec
WORKDIR /project
CMD ["bertspec", "--help"]
