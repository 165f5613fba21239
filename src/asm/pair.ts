/** Which symbol of the original unit is which of the patched one. Symbols are numbers within their unit; -1 is none. */
export interface Pairing {
  readonly toPatched: Int32Array;
  readonly toOriginal: Int32Array;
}
