// Package archtest holds the tests that keep the module in the shape which its
// layers promise: who may import whom, how large a file and a function may
// grow, what is documented, where SQL may stand. It has no code of its own,
// and nothing imports it.
//
// # Why tests
//
// The arrows between the packages, the limits and the naming rules are
// decisions that a compiler does not know and that a linter sees one file at a
// time. Each check here is a function from parsed sources (or from the
// toolchain's package listing) to a list of findings, so that it is itself
// tested: a check that no longer finds its own bad sample fails.
//
// # Exceptions
//
// An exception is an entry in a table beside its check, with the reason. An
// entry that is no longer needed fails the test: the tables can only shrink.
package archtest
