// Constants of java.io.ObjectStreamConstants.

/** First two bytes of a stream. */
export const STREAM_MAGIC = 0xaced;
/** The version that follows them. */
export const STREAM_VERSION = 5;
/** Number of the first handle after the header and after a reset. */
export const BASE_WIRE_HANDLE = 0x7e0000;

/** A null. */
export const TC_NULL = 0x70;
/** What was written before, by its handle. */
export const TC_REFERENCE = 0x71;
/** A class descriptor. */
export const TC_CLASSDESC = 0x72;
/** An object. */
export const TC_OBJECT = 0x73;
/** A string of at most 65535 encoded bytes. */
export const TC_STRING = 0x74;
/** An array. */
export const TC_ARRAY = 0x75;
/** A `java.lang.Class`. */
export const TC_CLASS = 0x76;
/** Bytes, at most 255. */
export const TC_BLOCKDATA = 0x77;
/** End of what a writeObject or writeExternal method wrote. */
export const TC_ENDBLOCKDATA = 0x78;
/** The handles are forgotten. */
export const TC_RESET = 0x79;
/** Bytes, with a length of 32 bits. */
export const TC_BLOCKDATALONG = 0x7a;
/** An exception ended the writing of an object. */
export const TC_EXCEPTION = 0x7b;
/** A string with a length of 64 bits. */
export const TC_LONGSTRING = 0x7c;
/** A descriptor of a dynamic proxy class. */
export const TC_PROXYCLASSDESC = 0x7d;
/** A constant of an enumeration. */
export const TC_ENUM = 0x7e;

/** Class flag: a writeObject method wrote more, up to {@linkcode TC_ENDBLOCKDATA}. */
export const SC_WRITE_METHOD = 0x01;
/** Class flag: serializable. */
export const SC_SERIALIZABLE = 0x02;
/** Class flag: externalizable. */
export const SC_EXTERNALIZABLE = 0x04;
/** Class flag: externalizable data is in blocks and has an end. */
export const SC_BLOCK_DATA = 0x08;
/** Class flag: an enumeration. */
export const SC_ENUM = 0x10;

/** Length of the blocks in which Java's writer gathers primitive data. */
export const MAX_BLOCK_SIZE = 1024;
