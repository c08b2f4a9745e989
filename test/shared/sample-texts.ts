// Messages as long and as different from each other as people's.

const WORDS =
  'the order has not arrived yet could you please look into it we will send a new one tomorrow thanks for your patience invoice refund address delivery broken screen login password reset account number attached photo warranty colour size return label'.split(
    ' ',
  );

export class SampleTexts {
  #state = 12_345;

  #below(end: number): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((this.#state / 2 ** 32) * end);
  }

  /** One row, about as Chatwoot has it. */
  row(id: number, createdAt: number): string {
    const content = Array.from({ length: 8 + this.#below(40) }, () => WORDS[this.#below(WORDS.length)]).join(' ');
    return JSON.stringify({
      id,
      content,
      inbox_id: 1,
      conversation_id: 2,
      message_type: this.#below(2),
      content_type: 'text',
      status: 'sent',
      content_attributes: {},
      created_at: createdAt,
      private: false,
      source_id: this.#below(2 ** 31).toString(16),
      sender: { additional_attributes: {}, id: 7, name: 'A customer', type: 'contact', thumbnail: '', phone_number: null },
    });
  }
}
