# The one runtime behind action.yml, the GitLab component and `docker run`.
# A release passes the digests; see .github/workflows/release.yml.
ARG PYTHON_TAG=3.13-slim
ARG PYTHON_DIGEST=
ARG BUILDX_TAG=0.38.2
ARG BUILDX_DIGEST=

FROM docker/buildx-bin:${BUILDX_TAG}${BUILDX_DIGEST:+@${BUILDX_DIGEST}} AS buildx

FROM python:${PYTHON_TAG}${PYTHON_DIGEST:+@${PYTHON_DIGEST}} AS packages
COPY requirements.lock /tmp/
# --no-deps: the lock leaves PyGithub and its cryptography out, 40 MB that actions-toolkit asks for
# and that the part of it we use never imports. Its wheel also ships its own tests.
RUN pip install --no-cache-dir --no-compile --no-deps --require-hashes \
        --target /opt/packages -r /tmp/requirements.lock \
    && rm -r /opt/packages/tests /opt/packages/bin \
    && python -m compileall -q /opt/packages
COPY src/warmbuild /opt/warmbuild/warmbuild
RUN python -m compileall -q /opt/warmbuild

FROM python:${PYTHON_TAG}${PYTHON_DIGEST:+@${PYTHON_DIGEST}}
# Compiled files are kept as they are, so that nothing is compiled when a job starts.
ENV PYTHONPATH=/opt/warmbuild:/opt/packages \
    WARMBUILD_CONTAINER=true \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
COPY --from=buildx /buildx /usr/local/bin/buildx
COPY --from=packages /opt/packages /opt/packages
COPY --from=packages /opt/warmbuild /opt/warmbuild
ENTRYPOINT ["python", "-m", "warmbuild"]
CMD ["build"]
