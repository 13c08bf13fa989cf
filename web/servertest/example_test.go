package servertest_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/defarm-repo/defarm/web/server"
	"github.com/defarm-repo/defarm/web/servertest"
)

// A test of a program that uses the API: a server for itself, users by the
// part they play, and wants that end the test.
func ExampleStart() {
	_ = func(t *testing.T) { // a test of yours
		srv := servertest.Start(t, servertest.At(start))
		farmer := srv.Client(servertest.Owner)
		circuit := farmer.Post(t, "/api/circuits", `{"name":"Herd","description":"Of the farm"}`).
			WantStatus(http.StatusOK).Field("circuit_id")
		srv.Client(servertest.Stranger).Get(t, "/api/circuits/"+circuit).WantStatus(http.StatusNotFound)
	}
	fmt.Println("a server for each test")
	// Output: a server for each test
}

// What depends on time is tested without waiting.
func ExampleServer_Advance() {
	_ = func(t *testing.T) {
		srv := servertest.Start(t, servertest.At(start))
		farmer := srv.Client(servertest.Owner)
		srv.Advance(25 * time.Hour) // a token is good for 24
		farmer.Get(t, "/api/auth/profile").WantStatus(http.StatusUnauthorized)
	}
	fmt.Println("a clock that stands until it is moved")
	// Output: a clock that stands until it is moved
}

// A data directory that is named is kept, so that a test can look at what a
// restart finds.
func ExampleWithConfig() {
	_ = func(t *testing.T) {
		dir := t.TempDir() + "/data"
		kept := servertest.WithConfig(func(c *server.Config) { c.DataDir = dir })
		first := servertest.Start(t, kept)
		first.Client(servertest.Owner).Post(t, "/api/items/local", `{}`).WantStatus(http.StatusOK)
		first.Close()
		second := servertest.Start(t, kept)
		second.Login(t, "owner", servertest.Password).Get(t, "/api/items").WantStatus(http.StatusOK)
	}
	fmt.Println("a directory for two servers, one after the other")
	// Output: a directory for two servers, one after the other
}
