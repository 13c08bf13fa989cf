package api

import (
	"errors"
	"testing"

	"github.com/defarm-repo/defarm/app"
)

// What clients read of an item that was not pushed: a refusal as it is worded,
// and of a fault of the server only that there was one.
func TestPushError(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"Push failed: Item not found":                                 app.NotFound(app.ReasonItemNotFound, "Item not found"),
		"Push failed: " + app.BusyText:                                app.Busy(app.ReasonWriterBusy),
		"Push failed: Storage error: the server failed, please retry": errors.New("secret"),
	} {
		if got := pushError(err); got != want {
			t.Errorf("%v: got %q, want %q", err, got, want)
		}
	}
}
