// What operators and their machines ask without a key.

import { Type } from 'typebox';
import { answer, json, Text } from './described.ts';

const strict = { additionalProperties: false };
const Sentence = (status: string) => Type.Object({ status: Type.Literal(status) }, strict);
const NotReady = Type.Object({ status: Type.Literal('not ready'), error: Text }, strict);
const Document = Type.Object({ openapi: Text, info: Type.Object({}), paths: Type.Object({}) });

export function operations(): object {
  return {
    '/healthz': { get: { summary: 'Alive', security: [], responses: { 200: json('Alive', Sentence('ok')) } } },
    '/readyz': {
      get: {
        summary: 'Able',
        security: [],
        responses: { 200: json('Able', Sentence('ready')), 503: json('Not able, and why', NotReady) },
      },
    },
    '/metrics': {
      get: { summary: 'Numbers for Prometheus', security: [], responses: { 200: answer('The numbers', 'text/plain', Text) } },
    },
    '/openapi.json': {
      get: { summary: 'This document', security: [], responses: { 200: json('This document', Document) } },
    },
  };
}
