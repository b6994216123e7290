"""The projects of `make bench-edit` whose steps have cache mounts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from edited import Edited
from projects import GO_BUMP, Line, Swap

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edited import Kind

_KINDS: Final[tuple[Kind, ...]] = ("first", "unchanged", "edit", "dependency change")
_PACKAGES: Final = Path(__file__).resolve().with_name("node-mounts")

_GO: Final = Edited(
    name="go-mounts",
    example="go-server",
    kinds=_KINDS,
    setup=Swap(
        texts=(
            (
                "Dockerfile",
                "RUN go mod download",
                "RUN --mount=type=cache,target=/go/pkg/mod go mod download",
            ),
            (
                "Dockerfile",
                "RUN CGO_ENABLED=0",
                """\
RUN --mount=type=cache,target=/cache/go-build \\
    --mount=type=cache,target=/go/pkg/mod \\
    GOCACHE=/cache/go-build CGO_ENABLED=0""",
            ),
        )
    ),
    edit=Line(path="main.go", line="func init() { println({number}) }"),
    dependency=Swap(texts=(*GO_BUMP.texts, ("go.mod", "go 1.26\n", "go 1.26 // {number}\n"))),
    mounts=("/cache/go-build", "/go/pkg/mod"),
)

# Pages with large libraries. Packages alone would not do: next to a registry, to install them from
# a cache takes as long as to fetch them. The bundler keeps a cache of its own, as most of them do.
_LIBRARIES: Final[Mapping[str, str]] = {
    "buttons": "@mui/material",
    "charts": "d3",
    "events": "rxjs",
    "lists": "lodash-es",
    "scenes": "three",
}
_NODE: Final = Edited(
    name="node-mounts",
    example="node-ci",
    kinds=_KINDS,
    files={
        "Dockerfile": """\
FROM node:22-slim

WORKDIR /src

COPY package.json package-lock.json ./
RUN --mount=type=cache,target=/cache/npm npm ci --cache=/cache/npm

COPY webpack.config.js ./
COPY src src
RUN --mount=type=cache,target=/cache/webpack npm run build
COPY test test

CMD ["npm", "test"]
""",
        "package.json": (_PACKAGES / "package.json").read_text(encoding="utf-8"),
        "package-lock.json": (_PACKAGES / "package-lock.json").read_text(encoding="utf-8"),
        "webpack.config.js": f"""\
const pages = {[*_LIBRARIES]};

export default {{
  mode: "production",
  entry: Object.fromEntries(pages.map((name) => [name, `./src/pages/${{name}}.js`])),
  cache: {{ type: "filesystem", cacheDirectory: "/cache/webpack" }},
  performance: {{ hints: false }},
}};
""",
        **{
            f"src/pages/{page}.js": f"""\
import * as library from "{library}";

globalThis.page = library;
"""
            for page, library in _LIBRARIES.items()
        },
    },
    edit=Line(path="src/pages/lists.js", line="globalThis.release = {number};"),
    dependency=Swap(
        texts=(
            ("package.json", '"rxjs": "7.8.2"', '"rxjs": "7.8.1"'),
            ("package.json", '"description": "Pages', '"description": "{number} pages'),
            ("package-lock.json", '"rxjs": "7.8.2"', '"rxjs": "7.8.1"'),
            (
                "package-lock.json",
                '"node_modules/rxjs": {\n      "version": "7.8.2"',
                '"node_modules/rxjs": {\n      "version": "7.8.1"',
            ),
            (
                "package-lock.json",
                "sha512-dhKf903U/PQZY6boNNtAGdWbG85WAbjT/1xYoZIC7FAY0yWapOBQVsVrDl58W86//e1VpMNBtRV4MaXfdMySFA==",
                "sha512-AA3TVj+0A2iuIoQkWEK/tqFjBq2j+6PO6Y0zJcvzLAFhEFIO3HL0vls9hWLncZbAAbK0mar7oZ4V079I/qPMxg==",
            ),
        )
    ),
    mounts=("/cache/npm", "/cache/webpack"),
)

_PIP: Final = Edited(
    name="pip-mounts",
    example="flask",
    kinds=_KINDS,
    setup=Swap(
        texts=(
            (
                "Dockerfile",
                "RUN pip install --no-cache-dir",
                "RUN --mount=type=cache,target=/cache/pip pip install --cache-dir=/cache/pip",
            ),
        )
    ),
    edit=Line(path="app/__init__.py", line="RELEASE = {number}"),
    dependency=Swap(
        texts=(("requirements.txt", "gunicorn==23.0.0", "gunicorn==25.3.0  # {number}"),)
    ),
    mounts=("/cache/pip",),
)

# Each module takes the compiler some 2.5 s. Every fifth one includes a library of another project.
_MODULES: Final = 30
_EVERY: Final = 5
_CPP: Final = Edited(
    name="cpp-mounts",
    kinds=_KINDS,
    files={
        "Dockerfile": """\
FROM debian:trixie-slim AS build

RUN apt-get update \\
    && apt-get install -y --no-install-recommends ccache g++ make \\
    && rm -rf /var/lib/apt/lists/*

WORKDIR /src

COPY Makefile ./
COPY third_party third_party
COPY src src

ENV CCACHE_DIR=/cache/ccache
RUN --mount=type=cache,target=/cache/ccache make --jobs=2 CXX="ccache g++"

FROM debian:trixie-slim

COPY --from=build /src/shop /usr/local/bin/shop

CMD ["shop"]
""",
        "Makefile": """\
CXXFLAGS := -std=c++20 -O2 -Ithird_party
objects := $(patsubst %.cpp,%.o,$(wildcard src/*.cpp))

shop: $(objects)
	$(CXX) -static-libstdc++ -static-libgcc -o $@ $^
""",
        "third_party/units/units.hpp": """\
#pragma once

namespace units {
inline constexpr int version = 1;
}
""",
        "src/main.cpp": "\n".join(
            (
                "#include <iostream>",
                "#include <string>",
                "",
                *(f"int words_{n}(const std::string&);" for n in range(_MODULES)),
                "",
                "int main(int, char** arguments) {",
                "  const std::string text{arguments[0]};",
                *(f"  std::cout << words_{n}(text);" for n in range(_MODULES)),
                "}\n",
            )
        ),
        **{
            f"src/words_{n}.cpp": f"""\
#include <regex>
#include <string>
{"#include <units/units.hpp>" if n % _EVERY == 0 else ""}
int words_{n}(const std::string& text) {{
  static const std::regex word{{"([a-z]+)(-[0-9]{{1,{n + 1}}})?"}};
  int found = {"units::version" if n % _EVERY == 0 else n};
  for (std::sregex_iterator at{{text.begin(), text.end(), word}}, end; at != end; ++at) ++found;
  return found;
}}
"""
            for n in range(_MODULES)
        },
    },
    edit=Line(path="src/words_7.cpp", line="int release() { return {number}; }"),
    dependency=Swap(
        texts=(("third_party/units/units.hpp", "version = 1;", "version = 1{number};"),)
    ),
    mounts=("/cache/ccache",),
)

# For the tests of the benchmark itself.
_TINY: Final = Edited(
    name="tiny-mounts",
    kinds=("first", "unchanged", "edit"),
    files={
        "Dockerfile": """\
FROM busybox:1.37
COPY source.txt .
RUN --mount=type=cache,target=/kept \\
    if [ ! -e /kept/made ]; then sleep 3; head -c 1000000 /dev/urandom > /kept/made; fi \\
    && cat /proc/sys/kernel/random/uuid > /installed
""",
        ".dockerignore": "Dockerfile\n",
        "source.txt": "\n",
    },
    edit=Line(path="source.txt", line="{number}"),
    mounts=("/kept",),
)

PROJECTS: Final[Mapping[str, Edited]] = {
    project.name: project for project in (_GO, _NODE, _PIP, _CPP, _TINY)
}
