package server

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime/debug"

	"github.com/defarm-repo/defarm/web/api"
)

// Version is the version of the API, as the contract's /version gives it.
const Version = "0.1.0"

const unknown = "unknown"

// Build describes the running program from what the Go tool recorded in it:
// the commit and its time when it was built inside a checkout.
func Build() api.BuildInfo {
	b := api.BuildInfo{Version: Version, Commit: unknown, BuildTime: unknown, GoVersion: unknown}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	b.GoVersion = info.GoVersion
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.time":
			b.BuildTime = s.Value
		}
	}
	return b
}

// PrintVersion writes Build for people, or as JSON with the member names of
// /version.
func PrintVersion(w io.Writer, asJSON bool) error {
	b := Build()
	if !asJSON {
		_, err := fmt.Fprintf(w, "defarm %s\ncommit %s\nbuilt  %s\n%s\n", b.Version, b.Commit, b.BuildTime, b.GoVersion)
		return err
	}
	return json.NewEncoder(w).Encode(map[string]string{
		"version": b.Version, "commit": b.Commit, "build_time": b.BuildTime, "go_version": b.GoVersion,
	})
}
