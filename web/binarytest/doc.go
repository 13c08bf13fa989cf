// Package binarytest tests the program as operators run it: built, started as
// a process, spoken to over HTTP, stopped by signals and killed. It has no code
// of its own.
//
// The binary is built once for each run of the package, without the race
// detector, whatever the tests themselves are built with: what is tested here
// is what a process leaves behind, and the program that ships.
//
// The crash test is short by default. To repeat it as long as you like:
//
//	go test ./web/binarytest -run TestCrash -crash.rounds=20
//	go test ./web/binarytest -run TestCrash -crash.seed=…   # as a failure printed it
package binarytest
