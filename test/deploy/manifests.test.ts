// What Compose and Kubernetes are told to run is what this program takes. Neither runs in tests.

import { readdirSync } from 'node:fs';
import ms from 'ms';
import { describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { loadConfig, type Config } from '../../src/config/load-config.ts';
import { SETTINGS, type Setting } from '../../src/config/settings.ts';
import { textOf } from '../documents/markdown.ts';

interface Service {
  readonly image: string;
  readonly build?: string;
  readonly profiles?: readonly string[];
  readonly ports?: readonly string[];
  readonly depends_on?: readonly string[];
  readonly networks?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly secrets?: readonly string[];
  readonly stop_grace_period?: string;
  readonly read_only: boolean;
  readonly cap_drop: readonly string[];
  readonly security_opt: readonly string[];
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
  readonly networks: Readonly<Record<string, { readonly internal?: boolean }>>;
}

interface Container {
  readonly env?: readonly { readonly name: string; readonly value: string }[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
  readonly securityContext: unknown;
  readonly resources: { readonly requests: { readonly memory: string }; readonly limits: { readonly memory: string } };
  readonly [probe: `${string}Probe`]: {
    readonly httpGet?: { readonly path: string; readonly port: string };
    readonly periodSeconds: number;
  };
}

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly replicas?: number;
    readonly minAvailable?: number;
    readonly strategy?: unknown;
    readonly selector?: { readonly matchLabels?: Readonly<Record<string, string>> } & Readonly<Record<string, unknown>>;
    readonly ports?: readonly { readonly targetPort: string }[];
    readonly template?: {
      readonly metadata: { readonly labels: Readonly<Record<string, string>> };
      readonly spec: {
        readonly terminationGracePeriodSeconds?: number;
        readonly automountServiceAccountToken: boolean;
        readonly securityContext: Readonly<Record<string, unknown>>;
        readonly containers: readonly [Container];
        readonly volumes?: readonly { readonly name: string; readonly secret: { readonly secretName: string } }[];
      };
    };
  };
}

/** @throws where it is no YAML, or YAML that may be read in two ways */
function parsed(file: string): readonly unknown[] {
  return parseAllDocuments(textOf(file), { merge: true, strict: true, uniqueKeys: true }).map((document) => {
    expect([...document.errors, ...document.warnings], file).toEqual([]);
    return document.toJS() as unknown;
  });
}

const ALL: readonly Setting<unknown>[] = Object.values<Setting<unknown>>(SETTINGS);
const NAMES = new Set(ALL.flatMap(({ name, secret }) => (secret === true ? [name, `${name}_FILE`] : [name])));
/** What stands in the files that are named in manifests. */
const FILES: Readonly<Record<string, string>> = {
  chatwoot_api_token: 'token-of-the-tests',
  client_keys: 'test=key-of-the-tests-1',
  redis_url: 'redis://valkey:6379',
};

/** The settings that these variables come to. @throws where one is none, or is wrong */
function configOf(env: Readonly<Record<string, string>>): Config {
  expect(Object.keys(env).filter((name) => !NAMES.has(name))).toEqual([]);
  const filled = Object.entries(env).map(([name, value]) => [name, value.replace(/^\$\{(\w+):-(.*)\}$/, '$2')]);
  const given: Record<string, string> = Object.fromEntries(filled);
  given['CHATWOOT_URL'] ||= 'https://chatwoot.example.com';
  return loadConfig(given, (path) => FILES[path.slice(path.lastIndexOf('/') + 1)]!);
}

describe('docker-compose.yml', () => {
  const [{ services, secrets, networks }] = parsed('docker-compose.yml') as [Compose];
  const programs = Object.entries(services).filter(([, { environment }]) => environment !== undefined);

  test.each(programs)('%s has settings that exist, secrets that are there, and time to end', (_name, service) => {
    const config = configOf(service.environment!);
    for (const [name, path] of Object.entries(service.environment!)) {
      if (name.endsWith('_FILE')) expect(service.secrets).toContain(path.replace(/^\/run\/secrets\//, ''));
    }
    expect(service.secrets!.filter((name) => secrets[name] === undefined)).toEqual([]);
    expect(ms(service.stop_grace_period as ms.StringValue)).toBeGreaterThanOrEqual(
      config.drainDelayMs + config.shutdownTimeoutMs + 2_000,
    );
  });

  test.each(Object.entries(services))('%s may do no more than it must', (_name, service) => {
    expect(service).toMatchObject({ read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] });
    for (const port of service.ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:/);
  });

  test('two processes share one Valkey that nobody else reaches, behind a balancer that knows both', () => {
    const shared = Object.entries(services).filter(([, { profiles }]) => profiles?.includes('shared'));
    expect(shared.map(([name]) => name).toSorted()).toEqual(['balancer', 'one', 'two', 'valkey']);
    for (const [, { depends_on: needed = [] }] of shared)
      expect(needed.filter((name) => services[name] === undefined)).toEqual([]);
    expect(networks['shared']).toEqual({ internal: true });
    expect(services['valkey']!.networks).toEqual(['shared']);
    for (const name of ['one', 'two']) {
      expect(configOf(services[name]!.environment!).redisUrls).toEqual(['redis://valkey:6379']);
      expect(services[name]!.networks).toContain('shared');
      expect(services[name]!.ports).toEqual([]);
    }
    const balancer = textOf('deploy/compose/haproxy.cfg');
    expect([...balancer.matchAll(/^ {2}server (\w+) (\w+):8080$/gm)].map(([, , host]) => host)).toEqual(['one', 'two']);
  });

  test('the balancer notices before DRAIN_DELAY is over, and waits longer than a caller may have to', () => {
    const balancer = textOf('deploy/compose/haproxy.cfg');
    const [, everyS, fall] = /default-server check inter (\d+)s fall (\d+)/.exec(balancer)!.map(Number);
    const { drainDelayMs, upstreamTimeoutMs } = configOf(services['one']!.environment!);
    expect(drainDelayMs).toBeGreaterThan(1000 * everyS! * (fall! + 1));
    const [, serverS] = /timeout server (\d+)s/.exec(balancer)!.map(Number);
    expect(1000 * serverS!).toBeGreaterThan(1.5 * upstreamTimeoutMs);
  });
});

describe('deploy/kubernetes', () => {
  const manifests = readdirSync(new URL('../../deploy/kubernetes', import.meta.url)).flatMap(
    (file) => parsed(`deploy/kubernetes/${file}`) as readonly Manifest[],
  );
  const deployments = manifests.filter(({ kind }) => kind === 'Deployment');
  const backscroll = deployments.find(({ metadata }) => metadata.name === 'backscroll')!;
  const pod = backscroll.spec.template!.spec;
  const [container] = pod.containers;
  const config = configOf(Object.fromEntries(container.env!.map(({ name, value }) => [name, value])));

  test('are what they are taken for', () => {
    expect(manifests.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toEqual([
      'Deployment backscroll',
      'Service backscroll',
      'PodDisruptionBudget backscroll',
      'Deployment valkey',
      'Service valkey',
      'NetworkPolicy valkey',
    ]);
  });

  test.each(deployments.map((each) => [each.metadata.name, each] as const))(
    '%s may do no more than it must',
    (_name, { spec }) => {
      const { securityContext, automountServiceAccountToken, containers } = spec.template!.spec;
      expect(automountServiceAccountToken).toBe(false);
      expect(securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
      expect(containers[0].securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
      expect(mebibytes(containers[0].resources.limits.memory)).toBeGreaterThan(
        mebibytes(containers[0].resources.requests.memory),
      );
    },
  );

  test('one process at least is there while others are replaced, and none is ended before it has served all it was sent', () => {
    expect(backscroll.spec).toMatchObject({ replicas: 2, strategy: { rollingUpdate: { maxUnavailable: 0 } } });
    const { drainDelayMs, shutdownTimeoutMs } = config;
    expect(1000 * pod.terminationGracePeriodSeconds!).toBeGreaterThanOrEqual(drainDelayMs + shutdownTimeoutMs + 2_000);
    // Until it is noticed that it is not ready, and some seconds for everybody to hear of it.
    const { periodSeconds, failureThreshold } = container.readinessProbe as { periodSeconds: number; failureThreshold: number };
    expect(drainDelayMs).toBeGreaterThanOrEqual(1000 * (periodSeconds * failureThreshold + 5));
    expect(container.readinessProbe!.httpGet).toEqual({ path: '/readyz', port: 'http' });
    for (const probe of ['livenessProbe', 'startupProbe'] as const)
      expect(container[probe]!.httpGet).toEqual({ path: '/healthz', port: 'http' });
  });

  test('secrets come in files of the one volume, and are all that it is told to make', () => {
    const files = container.env!.filter(({ name }) => name.endsWith('_FILE')).map(({ value }) => value);
    const [mount] = container.volumeMounts!;
    expect(files.filter((path) => !path.startsWith(`${mount!.mountPath}/`))).toEqual([]);
    const told = [...textOf('deploy/kubernetes/backscroll.yaml').matchAll(/--from-file=(\w+)/g)].map(([, name = '']) => name);
    expect(files.map((path) => path.slice(path.lastIndexOf('/') + 1)).toSorted()).toEqual(told.toSorted());
    expect(config.redisUrls).toEqual([FILES['redis_url']]);
  });

  test('what selects pods selects those of its name', () => {
    for (const { spec, metadata } of manifests.filter(({ kind }) => kind !== 'NetworkPolicy')) {
      expect(spec.selector?.matchLabels ?? spec.selector).toEqual({ app: metadata.name });
      if (spec.template !== undefined) expect(spec.template.metadata.labels).toEqual({ app: metadata.name });
    }
    const ports = deployments.flatMap(({ spec }) => spec.template!.spec.containers[0].ports.map(({ name }) => name));
    const targets = manifests
      .filter(({ kind }) => kind === 'Service')
      .flatMap(({ spec }) => spec.ports!.map(({ targetPort }) => targetPort));
    expect(targets).toEqual(ports);
  });

  test('memory is what docs/deploy.md says it takes', () => {
    const cacheMiB = config.cacheMemoryBytes / 2 ** 20;
    expect(mebibytes(container.resources.limits.memory)).toBeGreaterThanOrEqual(
      270 + 1.4 * cacheMiB + config.unreadMemoryBytes / 2 ** 20,
    );
  });
});

/** Both Valkeys lose what is old rather than refuse what is new, and keep nothing on disk. */
test('every Valkey is started as the documents say', () => {
  const flags = ["'--save', ''", "'--appendonly', 'no'", "'--maxmemory-policy', 'allkeys-lru'"];
  for (const file of ['docker-compose.yml', 'deploy/kubernetes/valkey.yaml']) {
    for (const flag of flags) expect(textOf(file)).toContain(flag);
  }
});

function mebibytes(quantity: string): number {
  const [, number] = /^(\d+)Mi$/.exec(quantity) ?? [];
  return Number(number);
}
