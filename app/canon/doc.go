// Package canon writes JSON in the one canonical form that hashes cover
// (contract 07 §6.2): UTF-8 without white space, object keys sorted by their
// bytes at every level, the fewest possible escapes, integers as plain digits
// and every other number as the shortest decimal that reads back as the same
// IEEE-754 double.
//
// The form is evidence: hashes over it are stored, published and checked by
// other people's code, so no byte of the output may ever change. What the
// contract leaves open is decided here, once:
//
//   - The literal -0 is written -0.0, as the original's serializer does; an
//     integer zero without a sign is 0.
//   - A number beyond the range of a double is refused, not turned into an
//     infinity. One too small for a double becomes 0.0.
//   - Text that is not UTF-8 and \u escapes of half a surrogate pair are
//     refused. Replacing them would let two different inputs share one hash.
//   - U+0000 is refused in any spelling, in keys too.
//   - Objects and arrays nest at most MaxDepth levels.
//
// The canonical form of a canonical text is that text.
package canon
