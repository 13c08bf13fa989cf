// Package merkle builds the state trees of contract 07 §6: the root over an
// item's events, the root over a circuit's items, and the proofs that a hash
// belongs to one.
//
// Every hash is BLAKE3 with 32 bytes of output, written as 64 lower-case
// hexadecimal digits, and hashes are joined as that text. A tree sorts its
// leaves, keeps duplicates, and pairs an odd last node with Empty at every
// level. One leaf is paired with Empty too, so a root is never a leaf.
//
// A proof binds a hash and nothing else: leaves and inner nodes are not told
// apart by the formulas, so whoever checks a proof must compute the leaf from
// the event. VerifyAt narrows that where the position of the leaf is known.
package merkle
