/**
 * ELF files read by the offsets that the gABI gives, without src/elf: what these tests compare with must not share its
 * faults. Changes are written into the same bytes.
 */

export interface Section {
  readonly index: number;
  /** Offset of its header in the file. */
  readonly at: number;
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly address: bigint;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
  readonly info: number;
  readonly align: number;
}

export interface ElfSymbol {
  readonly index: number;
  /** Offset of its entry in the file. */
  readonly at: number;
  readonly name: string;
  readonly type: number;
  readonly bind: number;
  readonly shndx: number;
  readonly value: bigint;
  readonly size: number;
}

export interface Rela {
  /** Offset of its entry in the file. */
  readonly at: number;
  readonly offset: bigint;
  readonly type: number;
  readonly symbol: number;
  readonly addend: bigint;
}

export class ElfView {
  readonly view: DataView;

  constructor(readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get type(): number {
    return this.view.getUint16(16, true);
  }

  get machine(): number {
    return this.view.getUint16(18, true);
  }

  get sections(): Section[] {
    const { view } = this;
    const table = Number(view.getBigUint64(40, true));
    const count = view.getUint16(60, true);
    const names = table + view.getUint16(62, true) * 64;
    const namesAt = Number(view.getBigUint64(names + 24, true));
    return Array.from({ length: count }, (_, index) => {
      const at = table + index * 64;
      return {
        index,
        at,
        name: this.text(namesAt + view.getUint32(at, true)),
        type: view.getUint32(at + 4, true),
        flags: Number(view.getBigUint64(at + 8, true)),
        address: view.getBigUint64(at + 16, true),
        offset: Number(view.getBigUint64(at + 24, true)),
        size: Number(view.getBigUint64(at + 32, true)),
        link: view.getUint32(at + 40, true),
        info: view.getUint32(at + 44, true),
        align: Number(view.getBigUint64(at + 48, true)),
      };
    });
  }

  section(name: string): Section {
    const found = this.sections.find((section) => section.name === name);
    if (found === undefined) throw new Error(`no section ${name}`);
    return found;
  }

  has(name: string): boolean {
    return this.sections.some((section) => section.name === name);
  }

  get symbols(): ElfSymbol[] {
    const { view } = this;
    const { sections } = this;
    const table = sections.find(({ type }) => type === 2)!;
    const names = sections[table.link]!.offset;
    return Array.from({ length: table.size / 24 }, (_, index) => {
      const at = table.offset + index * 24;
      const kind = view.getUint8(at + 4);
      return {
        index,
        at,
        name: this.text(names + view.getUint32(at, true)),
        type: kind & 0xf,
        bind: kind >> 4,
        shndx: view.getUint16(at + 6, true),
        value: view.getBigUint64(at + 8, true),
        size: Number(view.getBigUint64(at + 16, true)),
      };
    });
  }

  symbol(name: string): ElfSymbol {
    const found = this.symbols.find((symbol) => symbol.name === name);
    if (found === undefined) throw new Error(`no symbol ${name}`);
    return found;
  }

  relocations(section: Section): Rela[] {
    return Array.from({ length: section.size / 24 }, (_, i) => {
      const at = section.offset + i * 24;
      return {
        at,
        offset: this.view.getBigUint64(at, true),
        type: this.view.getUint32(at + 8, true),
        symbol: this.view.getUint32(at + 12, true),
        addend: this.view.getBigInt64(at + 16, true),
      };
    });
  }

  contents({ offset, size, type }: Section): Uint8Array {
    return type === 8 ? new Uint8Array(0) : this.bytes.subarray(offset, offset + size);
  }

  /** Lower-case hexadecimal, from the first note of type NT_GNU_BUILD_ID. */
  get buildId(): string {
    const note = this.contents(this.section('.note.gnu.build-id'));
    return Buffer.from(note.subarray(16)).toString('hex');
  }

  text(at: number): string {
    const end = this.bytes.indexOf(0, at);
    return Buffer.from(this.bytes.subarray(at, end)).toString('latin1');
  }
}
