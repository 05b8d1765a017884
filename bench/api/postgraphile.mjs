// The PostGraphile side: the tenant of a verified ES256 token becomes the setting that
// the policies read, as PostGraphile's own documentation advises.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { grafserv } from "grafserv/node";
import jwt from "jsonwebtoken";
import { postgraphile } from "postgraphile";
import { makePgService } from "postgraphile/adaptors/pg";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";

const { BENCH_ADDRESS, BENCH_URL, BENCH_KEY, BENCH_CONNECTIONS, BENCH_ISSUER, BENCH_AUDIENCE } = process.env;
const key = readFileSync(BENCH_KEY, "utf8");

const instance = postgraphile({
  extends: [PostGraphileAmberPreset],
  pgServices: [
    makePgService({
      connectionString: BENCH_URL,
      schemas: ["app"],
      poolConfig: { max: Number(BENCH_CONNECTIONS), idleTimeoutMillis: 0 },
    }),
  ],
  grafserv: { graphiql: false, watch: false },
  grafast: {
    context(requestContext) {
      const header = requestContext.node?.req?.headers?.authorization ?? "";
      const claims = jwt.verify(header.replace(/^Bearer /, ""), key, {
        algorithms: ["ES256"],
        issuer: BENCH_ISSUER,
        audience: BENCH_AUDIENCE,
      });
      return { pgSettings: { "app.current_tenant": claims.tenant_id } };
    },
  },
});

const server = createServer();
await instance.createServ(grafserv).addTo(server);
const [host, port] = BENCH_ADDRESS.split(":");
server.listen(Number(port), host);
