// Package servertest is a DeFarm Engines server for Go tests: a real one, with
// a listener, the real router and a database file of its own, that starts in
// milliseconds and is gone when the test ends.
//
//	func TestCircuit(t *testing.T) {
//		t.Parallel()
//		srv := servertest.Start(t, servertest.At(t0), servertest.SeededIDs(1))
//		ana := srv.User("ana")
//		ana.Post(t, "/api/circuits", `{"name":"Herd","description":""}`).
//			WantStatus(200).WantGolden("circuit/create_ok")
//		srv.User("eve").Get(t, "/api/circuits/"+id).WantStatus(404).WantError("Circuit not found")
//	}
//
// Start returns when the server answers; nothing polls or sleeps. Many servers
// can run in one process and in parallel tests: they share nothing but a
// template of the empty database, which is built once and copied. Passwords
// are cheap (bcrypt cost 4) and the disk is not waited for, so a fixture does
// not survive a power failure; everything else is as in production.
//
// At the end of the test the server is closed, and the test fails when that
// takes an error or when a goroutine that the server started is still there.
//
// # Golden files
//
// Response.WantGolden compares status and whole body with
// testdata/golden/NAME.json beside the test. What differs from run to run is
// replaced by names first: <uuid:1>, <dfid:1>, <hash:1> (numbered in order of
// appearance, so that equal stays equal), <token>, <key>, <cid:1>, <time>, <duration>. The
// test flag -update writes the files; with CI=true it is refused.
package servertest
