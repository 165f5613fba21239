/** nginx: 185,000 lines, a master and two workers. */
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { ask, type Exchange, freePort, listening, startLoad } from './load.ts';
import type { RealServer, RunningServer } from './server.ts';

const page = `${'a page of some length, '.repeat(200)}\n`;

const configuration = (port: number, upstream: number): string => `
worker_processes 2;
daemon off;
user root;
pid nginx.pid;
error_log error.log info;
events { worker_connections 256; }
http {
  access_log off;
  keepalive_requests 100000000;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server {
    listen 127.0.0.1:${port} reuseport;
    root html;
    location /captured { rewrite ^/captured(.*) /new?c=1; set $captured $1; return 200 "$captured\\n"; }
    location /upstream { proxy_pass http://127.0.0.1:${upstream}; proxy_buffering off; }
  }
}
`;

/** An upstream of the time before status lines, whose first bytes come in two parts. */
function startUpstream(port: number): Promise<Server> {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => {});
    socket.once('data', () => {
      socket.write('HT');
      setTimeout(() => socket.end('ZZ is no status line\n'), 150);
    });
  });
  return new Promise((resolve, reject) => {
    server.on('error', reject).listen(port, '127.0.0.1', () => resolve(server));
  });
}

/** Pages from disk and answers of the rewrite module, in turn. */
function exchange(client: number, turn: number): Exchange {
  const path = turn % 3 === 0 ? `/captured/${client}/${turn}` : '/page.txt';
  const body = turn % 3 === 0 ? `/${client}/${turn}\n` : page;
  return {
    request: `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
    check(answer) {
      const end = answer.indexOf('\r\n\r\n');
      if (end < 0) return undefined;
      const length = Number(/content-length: (\d+)/i.exec(answer)?.[1]);
      if (answer.length < end + 4 + length) return undefined;
      return answer.startsWith('HTTP/1.1 200 OK\r\n') && answer.slice(end + 4) === body;
    },
  };
}

export const nginx: RealServer = {
  name: 'nginx',
  source: { name: 'nginx', version: '1.22.1-9+deb12u9', firstPatchLeftOut: 'CVE-2026-42945.patch' },
  parallelism: 'multi-process',
  sources: ['src'],
  // The package's own options, without the modules that are libraries of their own.
  configure: [
    './configure',
    '--with-cc-opt=-g -O2 -fstack-protector-strong -Wformat -Werror=format-security -fPIC -Wdate-time -D_FORTIFY_SOURCE=2',
    '--with-ld-opt=-Wl,-z,relro -Wl,-z,now -fPIC',
    ...[
      'compat',
      'debug',
      'pcre-jit',
      'threads',
      'mail',
      'mail_ssl_module',
      'stream',
      'stream_ssl_module',
    ].map((name) => `--with-${name}`),
    ...[
      'ssl',
      'stub_status',
      'realip',
      'auth_request',
      'v2',
      'dav',
      'slice',
      'addition',
      'flv',
      'gunzip',
      'gzip_static',
      'mp4',
      'random_index',
      'secure_link',
      'sub',
    ].map((name) => `--with-http_${name}_module`),
  ],
  build: ['make', '-j2'],
  fixes: [
    {
      id: 'CVE-2026-42945',
      about: 'text captured by a rewrite is escaped into a buffer that is too small for it',
      patches: ['CVE-2026-42945.patch'],
      functions: ['ngx_http_script_regex_end_code'],
      async probe({ port }) {
        const said = await ask(port, 'GET /captured/a+b HTTP/1.0\r\n\r\n');
        // Escaped to six bytes in a buffer for four: two bytes behind it are overwritten, which does no harm here.
        if (said.endsWith('\r\n\r\n/a%2\n')) return 'open';
        if (said.endsWith('\r\n\r\n/a+b\n')) return 'closed';
        throw new Error(`unexpected answer: ${JSON.stringify(said)}`);
      },
    },
    {
      id: 'CVE-2026-42946',
      about: "the start of an upstream's answer is lost when it comes in parts",
      patches: ['CVE-2026-42946.1.patch', 'CVE-2026-42946.2.patch'],
      functions: [
        'ngx_http_proxy_process_status_line',
        'ngx_http_scgi_process_status_line',
        'ngx_http_uwsgi_process_status_line',
      ],
      async probe({ port }) {
        const said = await ask(port, 'GET /upstream HTTP/1.0\r\n\r\n');
        if (said.endsWith('HTZZ is no status line\n')) return 'closed';
        if (said.endsWith('ZZ is no status line\n')) return 'open';
        throw new Error(`unexpected answer: ${JSON.stringify(said)}`);
      },
    },
  ],
  async start(tree, folder): Promise<RunningServer> {
    const [port, upstreamPort] = [await freePort(), await freePort()];
    mkdirSync(join(folder, 'html'), { recursive: true });
    writeFileSync(join(folder, 'html/page.txt'), page);
    writeFileSync(join(folder, 'nginx.conf'), configuration(port, upstreamPort));
    const upstream = await startUpstream(upstreamPort);
    const executable = join(tree, 'objs/nginx');
    const child = spawn(executable, ['-p', folder, '-c', 'nginx.conf', '-e', 'error.log'], {
      stdio: 'ignore',
    });
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    const stop = async (): Promise<void> => {
      upstream.close();
      child.kill('SIGTERM'); // the master ends its workers
      const killed = setTimeout(() => child.kill('SIGKILL'), 5000);
      await gone;
      clearTimeout(killed);
    };
    try {
      await Promise.race([
        listening(port),
        gone.then(() => Promise.reject(new Error('nginx ended at once'))),
      ]);
      const master = child.pid ?? 0;
      const workers = await childrenOf(master, 2);
      return { port, pids: [master, ...workers], executable, stop };
    } catch (error) {
      await stop();
      throw error;
    }
  },
  load: ({ port }) => startLoad(port, 24, undefined, exchange),
};

/** The children of a process, once there are `count`. */
async function childrenOf(pid: number, count: number): Promise<number[]> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
      .split(' ')
      .filter(Boolean)
      .map(Number);
    if (children.length === count) return children;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`process ${pid} has not ${count} children`);
}
