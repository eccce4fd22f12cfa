FROM node:26-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
# The image brings Node: the pinned runtimes are for machines that don't.
RUN npm ci --omit=dev --omit=optional --no-audit --no-fund

FROM node:26-slim
WORKDIR /app
ENV NODE_ENV=production
COPY --from=build /app/node_modules ./node_modules
COPY package.json LICENSE ./
COPY bin ./bin
COPY src ./src
# /etc/fly-edge: edge.toml, fly.toml files, certificates. /run/fly-edge: the control socket.
RUN mkdir -p /etc/fly-edge /run/fly-edge node_modules/.cache && chown node:node /run/fly-edge node_modules/.cache
USER node
# Every process is smaller and starts sooner when stripped and compiled sources are there. Node keeps them apart by user:
# those of root are no use to another.
RUN node bin/fly-edge.js run --help > /dev/null
EXPOSE 8080 8443 9091 9092 9093 9100
# metrics.listen of edge.toml must be reachable inside the container: 127.0.0.1:9091 is the default.
HEALTHCHECK --interval=10s --timeout=2s --start-period=10s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:9091/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# SIGTERM drains; the supervisor is PID 1 and reaps its workers.
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "bin/fly-edge.js"]
CMD ["run", "--config", "/etc/fly-edge/edge.toml"]
