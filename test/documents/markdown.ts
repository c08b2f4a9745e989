// The parts of a Markdown document that checks ask for. As much of Markdown as the project's documents use.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The root of the repository. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The text of a file named from the root. */
export function textOf(file: string): string {
  return readFileSync(`${ROOT}/${file}`, 'utf8');
}

export interface CodeBlock {
  readonly language: string;
  readonly text: string;
}

/** All fenced code blocks, in order; those of a list without its indent. */
export function codeBlocks(markdown: string): CodeBlock[] {
  return [...markdown.matchAll(/^( *)```(\w+)\n(.*?)^\1```$/gms)].map(([, indent = '', language = '', text = '']) => ({
    language,
    text: text.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
  }));
}

/** The text under a heading of the second level. @throws if there is none. */
export function section(markdown: string, heading: string): string {
  const found = markdown.split(/^## /m).find((part) => part.startsWith(`${heading}\n`));
  if (found === undefined) throw new Error(`no section "${heading}"`);
  return found.slice(heading.length + 1);
}

/** The cells of every table row, header and rule left out. */
export function tableRows(markdown: string): string[][] {
  const rows = markdown.split('\n').filter((line) => line.startsWith('|'));
  return rows
    .filter((_, at) => !isRule(rows[at]) && !isRule(rows[at + 1]))
    .map((row) =>
      row
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

function isRule(row: string | undefined): boolean {
  return row !== undefined && /^\|( --- \|)+$/.test(row);
}

/** The words in backticks. */
export function codeWords(markdown: string): string[] {
  return [...markdown.matchAll(/`([^`\n]+)`/g)].map(([, word = '']) => word);
}

/** The anchors of all headings, as GitHub makes them. */
export function anchors(markdown: string): string[] {
  const prose = markdown.replaceAll(/^```.*?^```$/gms, '');
  return [...prose.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

/** The targets of all links. */
export function linkTargets(markdown: string): string[] {
  return [...markdown.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
}
