/** An archive as the kernel unpacks it at boot: cpio(5), "New ASCII Format"; Linux, early-userspace/buffer-format. */
export interface ArchiveEntry {
  readonly path: string;
  /** st_mode: type and permissions. */
  readonly mode: number;
  readonly bytes: Uint8Array;
}

const TRAILER: ArchiveEntry = { path: 'TRAILER!!!', mode: 0, bytes: new Uint8Array(0) };

export function cpioArchive(entries: readonly ArchiveEntry[]): Uint8Array {
  const pieces: Uint8Array[] = [];
  [...entries, TRAILER].forEach(({ path, mode, bytes }, index) => {
    const name = new TextEncoder().encode(`${path}\0`);
    // c_ino c_mode c_uid c_gid c_nlink c_mtime c_filesize c_devmajor c_devminor c_rdevmajor c_rdevminor c_namesize c_check
    const fields = [index + 1, mode, 0, 0, 1, 0, bytes.length, 0, 0, 0, 0, name.length, 0];
    const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`;
    pieces.push(new TextEncoder().encode(header), name, padding(header.length + name.length));
    pieces.push(bytes, padding(bytes.length));
  });
  return Buffer.concat(pieces);
}

const padding = (size: number): Uint8Array => new Uint8Array(-size & 3);
