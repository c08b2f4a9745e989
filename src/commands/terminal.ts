// Where commands write to: the process's own streams, or a test's.

interface Writer {
  write(text: string): unknown;
}

/** `stdout` is the result, `stderr` what is said about it. */
export interface Terminal {
  readonly stdout: Writer;
  readonly stderr: Writer;
}
