/** A growing column of 32-bit integers: a unit has hundreds of thousands of statements, too many for an object each. */
export class Column {
  values: Int32Array;
  length = 0;

  constructor(capacity = 1024) {
    this.values = new Int32Array(Math.max(16, capacity));
  }

  push(value: number): number {
    if (this.length === this.values.length) this.grow();
    this.values[this.length] = value;
    return this.length++;
  }

  /** Makes room for as many values again. */
  grow(): void {
    const larger = new Int32Array(this.values.length * 2);
    larger.set(this.values);
    this.values = larger;
  }

  at(index: number): number {
    return this.values[index]!;
  }
}
