FROM node:26-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build
# What only building needs goes; so do the pinned runtimes, which are for machines that bring no Node.
RUN npm prune --omit=dev --omit=optional --no-audit --no-fund

FROM node:26-slim
WORKDIR /app
ENV NODE_ENV=production
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY package.json LICENSE ./
COPY bin ./bin
# /etc/fly-edge: edge.toml, fly.toml files, certificates. /run/fly-edge: the control socket.
RUN mkdir -p /etc/fly-edge /run/fly-edge && chown node:node /run/fly-edge
USER node
EXPOSE 8080 8443 9091 9092 9093 9100
# metrics.listen of edge.toml must be reachable inside the container: 127.0.0.1:9091 is the default.
HEALTHCHECK --interval=10s --timeout=2s --start-period=10s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:9091/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# SIGTERM drains; the supervisor is PID 1 and reaps its workers.
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "bin/fly-edge.js"]
CMD ["run", "--config", "/etc/fly-edge/edge.toml"]
