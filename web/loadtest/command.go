package loadtest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/spf13/cobra"

	"github.com/defarm-repo/defarm/web/client"
)

// Command returns `defarm loadtest`. It fails only when the test cannot be set
// up or its report not be written: what the server does under load is for the
// reader of the report to judge.
func Command() *cobra.Command {
	var c Config
	var path string
	cmd := &cobra.Command{
		Use:   "loadtest",
		Short: "Put a running server under load and report how it does",
		Long: `Makes what the scenario needs through the API (a throw-away user unless a
credential is given, a circuit, items), lets the clients work, and prints
throughput, error rate, P50/P95/P99/max and statuses for each operation.
What it makes stays on the server: do not point it at one in use.

Scenarios:
  login    one user logs in again and again; --unique: many users, once each
  push     create a local item and push it to a circuit
  create   create a local item
  read     read an item by its DFID
  list     list 50 items
  mixed    70 % read, 10 % list, 10 % create, 8 % push, 2 % login

--rate starts iterations at a fixed rate and measures from when each was due.
--probe-reads has a separate client read items meanwhile, reported apart.

The credential is --username and --password, else ` + client.EnvToken + ` or
` + client.EnvAPIKey + `. Ctrl-C ends the test early, with the report.`,
		Example: `  defarm loadtest --scenario push --clients 32 --duration 30s
  defarm loadtest --scenario login --clients 50 --duration 60s --probe-reads 50 --json report.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SilenceUsage = true
			c.Credential, c.Log = client.FromEnv(), cmd.ErrOrStderr()
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt)
			defer stop()
			rep, err := Run(ctx, c)
			if err != nil {
				return err
			}
			return write(cmd.OutOrStdout(), rep, path)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&c.URL, "url", client.DefaultURL, "the server")
	fl.StringVar(&c.Scenario, "scenario", ScenarioMixed, "login, push, create, read, list or mixed")
	fl.IntVar(&c.Clients, "clients", 10, "clients at the same time, 1 to 10000")
	fl.DurationVar(&c.Duration, "duration", 30*time.Second, "how long; 0 with --iterations for no bound")
	fl.Int64Var(&c.Iterations, "iterations", 0, "end after so many iterations of the scenario; 0 for no bound")
	fl.DurationVar(&c.Warmup, "warmup", 2*time.Second, "load before measuring (not with --unique)")
	fl.Float64Var(&c.Rate, "rate", 0, "iterations started per second in all; 0 for as fast as the clients can")
	fl.Float64Var(&c.ProbeReads, "probe-reads", 0, "reads per second of a separate client; 0 for none")
	fl.StringVar(&c.Username, "username", "", "log in as this user")
	fl.StringVar(&c.Password, "password", "", "with this password")
	fl.BoolVar(&c.Unique, "unique", false, "login: each login another user's first")
	fl.IntVar(&c.Users, "users", 200, "users registered for --unique")
	fl.IntVar(&c.Items, "items", 100, "items made to be read")
	fl.DurationVar(&c.Timeout, "timeout", 30*time.Second, "of one request")
	fl.StringVar(&path, "json", "", "also write the report to this file as JSON (- for standard output instead of the tables)")
	return cmd
}

// write prints the tables, and the JSON form where it was asked for.
func write(out io.Writer, rep *Report, path string) error {
	if path == "-" {
		return rep.WriteJSON(out)
	}
	if err := rep.WriteText(out); err != nil || path == "" {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := rep.WriteJSON(f); err != nil {
		return fmt.Errorf("write report: %w", errors.Join(err, f.Close()))
	}
	return f.Close()
}
