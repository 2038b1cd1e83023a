# One image for all services: the command says which one a container is. Any builder will do, with or
# without BuildKit. The default command is a data plane.
#
#   docker build -t polygate .
#   docker run --read-only --tmpfs /tmp -v "$PWD/my.yaml:/app/conf/config.yaml:ro" polygate \
#     node apps/data-plane/src/main.ts --config conf/config.yaml

ARG NODE_IMAGE=node:26-bookworm-slim
ARG ETCD_IMAGE=quay.io/coreos/etcd:v3.6.5

# What npm has to know of the workspaces and nothing else: a change of code keeps the layer with the
# dependencies.
FROM ${NODE_IMAGE} AS manifests
WORKDIR /app
COPY . .
RUN find . -type f ! -name package.json ! -name package-lock.json ! -name .npmrc -delete \
  && find . -type d -empty -delete

FROM ${NODE_IMAGE} AS dependencies
WORKDIR /app
COPY --from=manifests /app ./
# The optional dependencies of the root are Node itself, which the image has. No dependency needs its
# install script.
RUN npm ci --omit=dev --omit=optional --ignore-scripts \
  --workspace=@polygate/admin-api --workspace=@polygate/data-plane \
  --workspace=@polygate/runner-manager --workspace=@polygate/plugin-runner \
  && rm -f package-lock.json .npmrc \
  && mkdir /empty

# etcd, whose data folder belongs to a user who is not root: a new named volume takes that over.
FROM ${ETCD_IMAGE} AS etcd
COPY --from=dependencies --chown=1000:1000 /empty /var/lib/etcd
USER 1000:1000
STOPSIGNAL SIGTERM

FROM ${NODE_IMAGE} AS gateway
LABEL org.opencontainers.image.title="Polygate" \
  org.opencontainers.image.description="An API gateway whose plugins speak every language" \
  org.opencontainers.image.licenses="Apache-2.0"
ENV NODE_ENV=production
WORKDIR /app
COPY --from=dependencies /app ./
COPY apps ./apps
COPY libs ./libs
COPY tools ./tools
COPY conf ./conf
# Where the Admin API keeps the key it makes. The code belongs to root: no service may write it.
COPY --from=dependencies --chown=1000:1000 /empty /var/lib/polygate
USER node
STOPSIGNAL SIGTERM
EXPOSE 9080 9180
CMD ["node", "apps/data-plane/src/main.ts", "--config", "conf/docker/data-plane.yaml"]
