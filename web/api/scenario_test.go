package api_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/defarm-repo/defarm/web/servertest"
)

// chainStart is a moment with a fraction of a second, which hashes leave out.
var chainStart = time.Date(2025, 10, 13, 8, 30, 15, 123456789, time.UTC)

// sisbov is the JSON of a canonical identifier.
func sisbov(value string) string {
	return fmt.Sprintf(`{"namespace":"bovino","key":"sisbov","value":%q,"id_type":"Canonical"}`, value)
}

// newCircuit makes a circuit of who's; more are further members of the body,
// each starting with a comma.
func newCircuit(t *testing.T, who *servertest.Client, more string) string {
	t.Helper()
	return who.Post(t, "/api/circuits", `{"name":"Herd","description":"Of the test"`+more+`}`).
		WantStatus(http.StatusOK).Field("circuit_id")
}

// newLocal makes a local item and gives its local id.
func newLocal(t *testing.T, who *servertest.Client, identifiers, data string) string {
	t.Helper()
	return who.Post(t, "/api/items/local", fmt.Sprintf(`{"identifiers":[%s],"enriched_data":%s}`, identifiers, data)).
		WantStatus(http.StatusOK).Field("data.local_id")
}

// push pushes a local item with further members of the body.
func push(t *testing.T, who *servertest.Client, circuit, local, more string) *servertest.Response {
	t.Helper()
	return who.Post(t, "/api/circuits/"+circuit+"/push-local", fmt.Sprintf(`{"local_id":%q%s}`, local, more))
}

// pushed pushes a new animal into a circuit and gives its DFID.
func pushed(t *testing.T, who *servertest.Client, circuit, number string) string {
	t.Helper()
	local := newLocal(t, who, sisbov(number), `{"breed":"Nelore"}`)
	return push(t, who, circuit, local, "").WantStatus(http.StatusOK).Field("dfid")
}
