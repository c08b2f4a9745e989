import { describe, expect, it } from 'vitest';
import { refusalOf } from '../../src/upstream/chatwoot-refusal.ts';
import { FOREIGN_REFUSALS } from '../support/fake-chatwoot/in-between.ts';

const OF_RAILS = { 'content-type': 'application/json; charset=utf-8', 'x-request-id': 'a', 'x-runtime': '0.012' };

function refused(status: number, body: string, headers: Record<string, string | undefined> = {}) {
  return refusalOf({ status, body: Buffer.from(body), header: (name) => headers[name] });
}

describe('whose word a refusal is', () => {
  it.each([
    [401, '{"error":"Invalid Access Token"}', 'unknown-token'],
    [401, '{"error":"Access to this endpoint is not authorized for bots"}', 'bot-token'],
    [401, '{"errors":["You need to sign in or sign up before continuing."]}', 'no-token'],
    [401, '{"error":"You are not authorized to do this action"}', 'no-access'],
    [401, '{"error":"You are not authorized to access this account"}', 'no-access'],
    [401, '{"error":"Account is suspended"}', 'suspended'],
    [403, '{"error":"API access is not enabled for this account"}', 'no-api-access'],
    [404, '{"error":"Resource could not be found"}', 'not-found'],
    [422, '{"error":"The request took too long to complete. Please try again."}', 'statement-timeout'],
  ] as const)('%i %s is known by its sentence, though a proxy keeps back what Rails adds', (status, body, refusal) => {
    expect(refused(status, body)).toBe(refusal);
  });

  it.each([
    [401, '{"error":"Sem acesso"}', 'untold'],
    [401, '{"errors":["Sem acesso"]}', 'no-token'],
    [403, '{"error":"Sem acesso"}', 'no-api-access'],
    [404, '{"error":"Sem acesso"}', 'not-found'],
    [422, '{"error":"Sem acesso"}', 'statement-timeout'],
  ] as const)('%i %s is known by its form and by what Rails adds', (status, body, refusal) => {
    expect(refused(status, body, OF_RAILS)).toBe(refusal);
    for (const name of Object.keys(OF_RAILS)) expect(refused(status, body, { ...OF_RAILS, [name]: undefined })).toBeNull();
    expect(refused(status, body, { ...OF_RAILS, 'content-type': 'text/html' })).toBeNull();
  });

  it.each([
    [401, '{"error":"Invalid Access Token","more":1}'],
    [401, '{"message":"Invalid Access Token"}'],
    [401, '{"errors":"You need to sign in or sign up before continuing."}'],
    [401, '{"errors":[]}'],
    [401, '{"error":["Invalid Access Token"]}'],
    [401, '["Invalid Access Token"]'],
    [401, 'null'],
    [401, ''],
    [403, '{"errors":["no"]}'],
    [404, '{"status":404,"error":"Not Found"}'],
    [400, '{"error":"no"}'],
    [429, '{"error":"no"}'],
    [500, '{"error":"no"}'],
  ])('%i %s is none', (status, body) => {
    expect(refused(status, body, OF_RAILS)).toBeNull();
  });

  it.each(FOREIGN_REFUSALS)('$name is none', ({ fault }) => {
    expect(refused(fault.status, fault.body ?? '', fault.headers)).toBeNull();
  });
});
