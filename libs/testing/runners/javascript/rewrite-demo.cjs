'use strict';

// A plugin for tests, as zenozeng/apisix-javascript-plugin-runner wants one: a class as the export.
const { createHash } = require('node:crypto');

/** Does what its conf (JSON) says, as in the other runners; what is left out is not done. */
class RewriteDemo {
  getName() {
    return 'rewrite-demo';
  }

  parseConf(conf) {
    return JSON.parse(conf);
  }

  async filter(conf, request, response) {
    await new Promise((resolve) => setTimeout(resolve, conf.sleep_ms ?? 0));
    if (conf.kill) process.kill(process.pid, 'SIGKILL');
    if (conf.raise) throw new Error(conf.raise);
    if (conf.stop_status) {
      response.status = conf.stop_status;
      response.headers = new Map(Object.entries(conf.stop_headers ?? {}));
      response.body = conf.stop_bytes ? 'x'.repeat(conf.stop_bytes) : (conf.stop_body ?? '');
      return;
    }
    if (conf.digest_body) {
      const body = Buffer.from(await request.body());
      request.headers.set('X-Body-Bytes', String(body.length));
      request.headers.set('X-Body-Sha256', createHash('sha256').update(body).digest('hex'));
    }
    if (conf.echo_header) {
      request.headers.set('X-Echo', request.headers.get(conf.echo_header.toLowerCase()));
    }
    // null is written as an entry without value, which deletes
    for (const [name, value] of Object.entries(conf.set_headers ?? {})) {
      request.headers.set(name, value === '' ? null : value);
    }
    for (const [name, value] of Object.entries(conf.set_args ?? {})) {
      request.args.set(name, value === '' ? null : value);
    }
    if (conf.path) request.path = conf.path;
  }
}

module.exports = RewriteDemo;
