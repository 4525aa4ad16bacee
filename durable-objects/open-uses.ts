/*
 * Which uses have no outcome yet: one bit per use, in pages. A use gets its number and its bit in the transaction that writes
 * its row; the outcome clears the bit, which is written with the next group. So a counted call writes one row, and after a
 * crash every use is known to be open or counted. Effects: the given storage.
 */

const TABLE = 'open_uses_v1';
const USES_A_PAGE = 1024;

interface Page {
  readonly bits: Uint8Array<ArrayBuffer>;
  /** When the last row that names a use of this page can be gone. */
  endsAtSeconds: number;
  isDirty: boolean;
}

/** The open uses of one object. */
export class OpenUses {
  readonly #sql: SqlStorage;
  readonly #pages = new Map<number, Page>();
  #next: number;
  /** Uses whose outcome was acknowledged but is not on disk yet. */
  #told: number[] = [];

  constructor(sql: SqlStorage, told: readonly number[] = []) {
    this.#sql = sql;
    sql.exec(`CREATE TABLE IF NOT EXISTS ${TABLE} (page INTEGER PRIMARY KEY, bits BLOB NOT NULL, ends_at_seconds INTEGER NOT NULL)`);
    let last = -1;
    for (const [page, bits, endsAtSeconds] of sql.exec(`SELECT * FROM ${TABLE}`).raw<[number, ArrayBuffer, number]>()) {
      this.#pages.set(page, { bits: new Uint8Array(bits), endsAtSeconds, isDirty: false });
      last = Math.max(last, page);
    }
    // Each life of the object starts a new page, so no number is used twice.
    this.#next = (last + 1) * USES_A_PAGE;
    for (const number of told) this.tell(number);
  }

  /** Allocates the next number. */
  add(endsAtSeconds: number): number {
    const number = this.#next++;
    const index = Math.floor(number / USES_A_PAGE);
    const page = this.#pages.get(index) ?? { bits: new Uint8Array(USES_A_PAGE / 8), endsAtSeconds, isDirty: true };
    page.bits[(number % USES_A_PAGE) >> 3]! |= 1 << (number & 7);
    page.endsAtSeconds = Math.max(page.endsAtSeconds, endsAtSeconds);
    page.isDirty = true;
    this.#pages.set(index, page);
    return number;
  }

  isOpen(number: number): boolean {
    const page = this.#pages.get(Math.floor(number / USES_A_PAGE));
    return page !== undefined && (page.bits[(number % USES_A_PAGE) >> 3]! & (1 << (number & 7))) !== 0;
  }

  /** Records the outcome of a use; it survives a rollback of the next transaction. */
  tell(number: number): void {
    this.close(number);
    this.#told.push(number);
  }

  /** Records the outcome of a use, if the current transaction commits. */
  close(number: number): void {
    const page = this.#pages.get(Math.floor(number / USES_A_PAGE));
    if (page === undefined) return;
    page.bits[(number % USES_A_PAGE) >> 3]! &= ~(1 << (number & 7));
    page.isDirty = true;
  }

  /** Outcomes that were acknowledged but are not on disk yet; a new reader of the pages needs them. */
  get unwritten(): readonly number[] {
    return this.#told;
  }

  /** Writes the changes. A page without open uses is deleted, except the last: it shows which numbers were used. */
  write(): void {
    const last = Math.floor((this.#next - 1) / USES_A_PAGE);
    for (const [index, page] of this.#pages) {
      const isDone = index < last && page.bits.every((byte) => byte === 0);
      if (!page.isDirty && !isDone) continue;
      if (!isDone) {
        this.#sql.exec(`INSERT OR REPLACE INTO ${TABLE} VALUES (?, ?, ?)`, index, page.bits.slice().buffer, page.endsAtSeconds);
        continue;
      }
      this.#sql.exec(`DELETE FROM ${TABLE} WHERE page = ?`, index);
      this.#pages.delete(index);
    }
  }

  /** Marks everything as written: it is on disk, or will be before any answer is sent. */
  settle(): void {
    for (const page of this.#pages.values()) page.isDirty = false;
    this.#told = [];
  }

  /** Drops pages whose rows have all ended: uses that were never asked for again. */
  prune(nowMs: number): void {
    const last = Math.floor((this.#next - 1) / USES_A_PAGE);
    for (const [index, page] of this.#pages) {
      if (index >= last || page.endsAtSeconds * 1000 > nowMs) continue;
      this.#sql.exec(`DELETE FROM ${TABLE} WHERE page = ?`, index);
      this.#pages.delete(index);
    }
  }
}
