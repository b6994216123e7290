from __future__ import annotations

import older_builder

# As Docker 26 writes it; a command may print what it likes.
LOG = """\
Step 1/7 : FROM golang:1.26 AS build
 ---> 80316d1a3c85
Step 2/7 : WORKDIR /src
 ---> Using cache
 ---> 0cf7728d1d62
Step 3/7 : COPY *.go ./
 ---> d77dfbdc6ce6
Step 4/7 : RUN go build -o /go-server .
 ---> Running in d2e3d06da3f1
 ---> Using cache
 ---> Removed intermediate container d2e3d06da3f1
 ---> 756816333c5c
Step 5/7 : FROM scratch
 --->
Step 6/7 : COPY --from=build /go-server /go-server
 ---> Using cache
 ---> 3baa40e0b94d
Step 7/7 : USER 65532
 ---> Running in 3e8591c2ae51
 ---> 811e80b51259
Successfully built 811e80b51259
""".splitlines()


def test_the_steps_that_ran_are_those_that_buildkit_counts() -> None:
    assert older_builder.steps_run(LOG) == ["COPY *.go ./", "RUN go build -o /go-server ."]


def test_a_stage_is_the_image_before_the_next_one_begins() -> None:
    assert older_builder.stage_images(LOG) == ["756816333c5c"]
    assert older_builder.stage_images(LOG[:11]) == []
