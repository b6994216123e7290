from __future__ import annotations

import mount_dockerfiles


def test_an_image_holds_each_mount_in_a_directory_of_its_own() -> None:
    assert mount_dockerfiles.keeping(("/go/pkg/mod", "/cache/npm")) == (
        "FROM busybox:1.37\n"
        "RUN --mount=type=cache,id=/go/pkg/mod,target=/mount"
        " mkdir -p /kept/0 && cp -a /mount/. /kept/0/\n"
        "RUN --mount=type=cache,id=/cache/npm,target=/mount"
        " mkdir -p /kept/1 && cp -a /mount/. /kept/1/\n"
    )


def test_each_mount_is_filled_from_its_directory() -> None:
    assert mount_dockerfiles.filling("r/x:cache-mounts", ("/go/pkg/mod",)) == (
        "FROM busybox:1.37\n"
        "RUN --mount=type=bind,from=r/x:cache-mounts,target=/kept"
        " --mount=type=cache,id=/go/pkg/mod,target=/mount cp -a /kept/kept/0/. /mount/\n"
    )


def test_the_dockerfiles_of_cache_dance_are_its_own() -> None:
    assert mount_dockerfiles.injecting("/cache/npm") == (
        "FROM busybox:1.37\n"
        "COPY buildstamp buildstamp\n"
        "RUN --mount=type=cache,target=/cache/npm \\\n"
        "    --mount=type=bind,source=.,target=/var/dance-cache \\\n"
        "    cp -p -R /var/dance-cache/. /cache/npm || true\n"
    )
    assert mount_dockerfiles.extracting("/cache/npm") == (
        "FROM busybox:1.37\n"
        "COPY buildstamp buildstamp\n"
        "RUN --mount=type=cache,target=/cache/npm \\\n"
        "    mkdir -p /var/dance-cache/ \\\n"
        "    && cp -p -R /cache/npm/. /var/dance-cache/ || true\n"
    )
