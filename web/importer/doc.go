// Package importer is `defarm import items`: it reads a herd file as spreadsheets
// and herd-management systems write them and pushes every animal to a circuit
// through the API, one push-local call a row.
//
// # Running it twice
//
// An import can be repeated as a whole at any time and changes nothing the
// second time. The local id of a row is a version 5 UUID of the account, the
// circuit and what names the animal: its first canonical identifier in normal
// form, or for an animal without one its ear tag and farm. The server resolves
// a local id that it knows to the DFID it gave, so a second run, or a request
// that is repeated because its answer was lost, enriches and creates nothing.
// The account is part of the id because a local id belongs to whoever used it
// first: two members of one circuit may import the same file.
//
// # Order
//
// Rows are sent in parallel, but two rows of one animal never are: the later
// one waits for the earlier one's answer. So the first row of an
// animal is the one counted as created, and the last one's values stay.
//
// # What becomes of a row
//
// A row that cannot be right is refused here, with its line and the reason, and
// never stops the others. A row that the server answers with an error is
// failed. Columns that are not known are left out and named once; notes stay
// in the file, because whatever is sent becomes part of documents that a
// circuit may publish.
package importer
