/** A disk image whose data is said to be in another file. docs/interop/qcow2.txt of QEMU's source. */
const MAGIC = 0x514649fb;
const CLUSTER_BITS = 16;
const CLUSTER = 1 << CLUSTER_BITS;
const HEADER_LENGTH = 104;
const INCOMPATIBLE_DATA_FILE = 1 << 2;
const EXTENSION_DATA_FILE = 0x44415441;
const REFCOUNT_ORDER = 4;

/** An image of one megabyte. `dataFile`: the name in its header, which nobody but the image's maker has chosen. */
export function imageWithDataFile(dataFile: string): Buffer {
  const image = Buffer.alloc(4 * CLUSTER);
  const [refcountTable, refcountBlock, l1Table] = [1, 2, 3].map((cluster) => cluster * CLUSTER) as [
    number,
    number,
    number,
  ];
  image.writeUInt32BE(MAGIC, 0);
  image.writeUInt32BE(3, 4); // version
  image.writeUInt32BE(CLUSTER_BITS, 20);
  image.writeBigUInt64BE(1n << 20n, 24); // size
  image.writeUInt32BE(1, 36); // entries of the L1 table
  image.writeBigUInt64BE(BigInt(l1Table), 40);
  image.writeBigUInt64BE(BigInt(refcountTable), 48);
  image.writeUInt32BE(1, 56); // clusters of the table of reference counts
  image.writeBigUInt64BE(BigInt(INCOMPATIBLE_DATA_FILE), 72);
  image.writeUInt32BE(REFCOUNT_ORDER, 96);
  image.writeUInt32BE(HEADER_LENGTH, 100);
  image.writeUInt32BE(EXTENSION_DATA_FILE, HEADER_LENGTH);
  image.writeUInt32BE(Buffer.byteLength(dataFile), HEADER_LENGTH + 4);
  image.write(dataFile, HEADER_LENGTH + 8);
  image.writeBigUInt64BE(BigInt(refcountBlock), refcountTable);
  for (let cluster = 0; cluster < 4; cluster++) image.writeUInt16BE(1, refcountBlock + 2 * cluster);
  return image;
}
