// The differential run: the built program with short ages before a fake Chatwoot that is written to and fails at random, and
// callers whose every answer is judged by what Chatwoot could have said.

import { rm, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import { Front } from '../faults/front.ts';
import { CANARY } from '../support/canary.ts';
import { Directory } from '../support/fake-chatwoot/directory.ts';
import { FakeChatwoot } from '../support/fake-chatwoot/fake-chatwoot.ts';
import { shuffledTies } from '../support/fake-chatwoot/seeded-random.ts';
import type { Persona } from './callers.ts';
import { Caller, CLIENTS_FILE, CLIENTS_SECRET, personas } from './callers.ts';
import { Chance } from './chance.ts';
import { judge } from './judge.ts';
import type { Program } from './program.ts';
import { startProgram } from './program.ts';
import type { Promises } from './promises.ts';
import { settingsFor, SHORT_AGES } from './promises.ts';
import { Tally } from './tally.ts';
import { Trouble } from './trouble.ts';
import type { WriteKind } from './writer.ts';
import { SEQUENCE_KINDS, Writer } from './writer.ts';
import { ACCOUNT, World } from './world.ts';

export interface DifferentialOptions {
  readonly seed: number;
  readonly forMs: number;
  /** Questions a second, of all callers together. */
  readonly rate: number;
  readonly without?: ReadonlySet<WriteKind>;
  /** Whether Chatwoot fails now and then. Default true. */
  readonly troubled?: boolean;
  /** Ages that are promised in place of the usual ones. */
  readonly promises?: Partial<Promises>;
  /** Settings that break the promises, to see that it is noticed. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Ends the run as soon as an answer is wrong in this way. */
  readonly untilWrong?: RegExp;
}

const CALLERS = 10;
const WRITES_PER_SECOND = 40;
/** Each begins with another world, and a program that knows nothing. */
const ROUND_MS = 30_000;
const SEQUENCE_EVERY_ROUNDS = 2;
/** So many at most, and in the next round the next ones. */
const FAULTS_PER_ROUND = 2;
/** One with the answers as of the request, and two that let a little time pass. */
const TAIL_AGES_MS = [0, 300, 1_000];

type Round = DifferentialOptions & { readonly without: ReadonlySet<WriteKind> };

/** Runs it. @returns what came of it. */
export async function runDifferential(options: DifferentialOptions): Promise<Tally> {
  const tally = new Tally();
  const readers = await personas();
  const rounds = Math.max(1, Math.ceil(options.forMs / ROUND_MS));
  for (let round = 0; round < rounds && !tally.wasWrong(options.untilWrong); round++) {
    const forMs = Math.min(ROUND_MS, options.forMs - round * ROUND_MS);
    // Where ids are out of step more is excused, so that is not so in each round.
    const inStep: readonly WriteKind[] = round % SEQUENCE_EVERY_ROUNDS === SEQUENCE_EVERY_ROUNDS - 1 ? [] : SEQUENCE_KINDS;
    const without = new Set([...(options.without ?? []), ...inStep]);
    // oxlint-disable-next-line no-await-in-loop -- one world after the other
    await runRound({ ...options, forMs, without, seed: options.seed + round }, readers, tally);
  }
  return tally;
}

async function runRound(options: Round, readers: readonly Persona[], tally: Tally): Promise<void> {
  const { seed, forMs, rate, without, troubled = true, settings = {} } = options;
  const now = (): number => performance.timeOrigin + performance.now();
  let stream = 0;
  const chance = (): Chance => new Chance(seed, stream++);
  const promises: Promises = { ...SHORT_AGES, tailMaxAgeMs: chance().pick(TAIL_AGES_MS), ...options.promises };

  const world = new World({ now, ties: shuffledTies(seed), firstId: 1_000 });
  const writer = new Writer({ world, chance: chance(), now, settleMs: promises.settleMs, without });
  writer.furnish();
  const directory = new Directory();
  const user = { id: 1, name: 'Admin', email: 'admin@example.test', pubsubToken: 'pubsub' };
  directory.join(user, ACCOUNT, { role: 'administrator' });
  directory.addToken(CANARY, user);
  const chatwoot = await FakeChatwoot.start({ table: world.table, directory, now });
  const front = await Front.open(chatwoot.port);
  const folder = await mkdtemp(join(tmpdir(), 'backscroll-differential-'));
  await writeFile(join(folder, 'clients.json'), CLIENTS_FILE);
  const program = await startProgram({
    CHATWOOT_URL: front.url,
    CHATWOOT_API_TOKEN: CANARY,
    CLIENTS_FILE: join(folder, 'clients.json'),
    JWT_SECRET: CLIENTS_SECRET,
    RATE_LIMIT: '1000000/1s',
    UPSTREAM_RATE: '1000000/1s',
    UPSTREAM_TIMEOUT: '2s',
    // A difference that a silent deletion makes must not end all proofs.
    SHADOW_RATE: '0',
    ...settingsFor(promises),
    ...settings,
  });
  const pool = new Pool(program.url, { connections: CALLERS, bodyTimeout: 30_000, headersTimeout: 30_000 });
  const trouble = new Trouble({ chatwoot, front, chance: chance(), now, first: FAULTS_PER_ROUND * seed });
  if (!troubled) chatwoot.fault = undefined;

  const endAt = now() + forMs;
  const isOver = (): boolean => now() >= endAt || program.ended() !== undefined || tally.wasWrong(options.untilWrong);
  const pace = chance();
  const live = async (): Promise<void> => {
    while (!isOver()) {
      writer.write();
      if (troubled) await trouble.turn();
      chatwoot.clearLog();
      await sleep(pace.between(0, 2_000 / WRITES_PER_SECOND));
    }
  };
  const call = async (caller: Caller, beat: Chance): Promise<void> => {
    while (!isOver()) {
      const asked = await caller.ask();
      const past = world.past(asked.conversation);
      const wasTroubled = (from: number, until: number): boolean => trouble.wasOn(from, until);
      const verdict = judge(asked.observation, { past, promises, wasTroubled });
      tally.add(asked, verdict, { seed, promises, writes: world.writes(asked.conversation), startedAt: world.startedAt });
      await sleep(beat.between(0, (2_000 * CALLERS) / rate));
    }
  };
  try {
    const callers = Array.from({ length: CALLERS }, (_, n) =>
      call(new Caller({ world, pool, persona: readers[n % readers.length]!, chance: chance(), now }), chance()),
    );
    await Promise.all([live(), ...callers]);
    tally.addRound(writer.counts, troubled ? trouble.kinds : [], await metricsOf(program));
  } catch (error) {
    tally.addFailure(`${String(error)}; ${program.ended() ?? 'it still runs'}; ${program.complaints().join('\n')}`);
  } finally {
    await pool.destroy();
    await program.stop();
    front.shut();
    await chatwoot.close();
    await rm(folder, { recursive: true });
  }
}

async function metricsOf(program: Program): Promise<string> {
  return (await fetch(`${program.url}/metrics`)).text();
}
