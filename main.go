// Command defarm is DeFarm Engines in one binary: an agricultural traceability
// server on one SQLite file, and the commands that go with it.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/defarm-repo/defarm/web/importer"
	"github.com/defarm-repo/defarm/web/loadtest"
	"github.com/defarm-repo/defarm/web/server"
)

func main() {
	if err := root().ExecuteContext(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "defarm:", err)
		os.Exit(1)
	}
}

// configFlags are the flags that every command knows which reads the
// configuration, by the key they set.
var configFlags = map[string]string{"data-dir": "data_dir", "listen": "server.listen", "log-level": "log.level"}

func root() *cobra.Command {
	c := &cobra.Command{
		Use:           "defarm",
		Short:         "Traceability for agriculture: items, circuits, events and proofs in one binary",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	c.AddCommand(serve(), user(), config(), healthcheck(), version(), importer.Command(), loadtest.Command())
	return c
}

// load reads the configuration for a command.
func load(c *cobra.Command) (*server.Loaded, error) {
	src := server.Sources{Environ: os.Environ(), Flags: map[string]string{}}
	if f := c.Flags().Lookup("config"); f != nil {
		src.File = f.Value.String()
	}
	for name, key := range configFlags {
		if f := c.Flags().Lookup(name); f != nil && f.Changed {
			src.Flags[key] = f.Value.String()
		}
	}
	return server.Load(src)
}

// withConfig adds the flags that load reads.
func withConfig(c *cobra.Command, names ...string) *cobra.Command {
	c.PersistentFlags().String("config", "", "configuration file (YAML)")
	usage := map[string]string{
		"data-dir":  "directory of the database and the keys (default ./data)",
		"listen":    "host:port to listen on (default 127.0.0.1:3000)",
		"log-level": "debug, info, warn or error (default info)",
	}
	for _, name := range names {
		c.PersistentFlags().String(name, "", usage[name])
	}
	return c
}

func serve() *cobra.Command {
	o := server.RunOptions{Stdout: os.Stdout, Stderr: os.Stderr, Signals: server.StopSignals()}
	c := &cobra.Command{
		Use:   "serve",
		Short: "Serve the API",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if o.Loaded, err = load(c); err != nil {
				return err
			}
			defer server.TuneProcess(o.Loaded.Config, os.Getenv)()
			return server.Run(c.Context(), o)
		},
	}
	c.Flags().BoolVar(&o.Demo, "demo", false, "add development accounts with well-known passwords and a first circuit")
	c.Flags().BoolVar(&o.Ephemeral, "ephemeral", false, "serve a temporary data directory on a free port; implies --demo")
	c.Flags().BoolVar(&o.ReadyJSON, "ready-json", false, "print one line of JSON on standard output when the server accepts requests")
	return withConfig(c, "data-dir", "listen", "log-level")
}

func config() *cobra.Command {
	c := &cobra.Command{Use: "config", Short: "The configuration"}
	c.AddCommand(&cobra.Command{
		Use:   "check",
		Short: "Print what is wrong with the configuration, or the values in effect",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			loaded, err := load(c)
			if err != nil {
				return err
			}
			return server.PrintConfig(c.OutOrStdout(), loaded)
		},
	})
	return withConfig(c, "data-dir", "listen", "log-level")
}

func healthcheck() *cobra.Command {
	var url string
	c := &cobra.Command{
		Use:   "healthcheck",
		Short: "Ask a server whether it is ready; the exit status tells",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if url == "" {
				loaded, err := load(c)
				if err != nil {
					return err
				}
				if url, err = loaded.Config.LocalURL(); err != nil {
					return err
				}
			}
			return server.Healthcheck(c.Context(), c.OutOrStdout(), url)
		},
	}
	c.Flags().StringVar(&url, "url", "", "URL of the server (default: where the configuration has it listen)")
	return withConfig(c, "listen")
}

func version() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "version",
		Short: "Print version and build",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return server.PrintVersion(c.OutOrStdout(), asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func user() *cobra.Command {
	c := &cobra.Command{Use: "user", Short: "The accounts of a data directory that no server has open"}
	c.AddCommand(userCreate(), userList(), userSetPassword(), userPromote(), userSuspend(), userRevokeKey())
	return withConfig(c, "data-dir")
}

// accounts is what the commands below act on.
func accounts(c *cobra.Command) (server.Accounts, error) {
	loaded, err := load(c)
	if err != nil {
		return server.Accounts{}, err
	}
	return server.Accounts{Config: loaded.Config, Out: c.OutOrStdout()}, nil
}

// passwordInput adds --password-stdin to a command.
func passwordInput(c *cobra.Command) *server.PasswordInput {
	in := &server.PasswordInput{Getenv: os.Getenv, In: os.Stdin, Prompt: os.Stderr}
	c.Flags().BoolVar(&in.FromStdin, "password-stdin", false,
		"take the password from the first line of standard input (default: "+server.PasswordVariable+", else ask)")
	return in
}

func userCreate() *cobra.Command {
	var in server.NewAccount
	c := &cobra.Command{Use: "create --username NAME --email ADDRESS", Short: "Make an account", Args: cobra.NoArgs}
	from := passwordInput(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		a, err := accounts(c)
		if err != nil {
			return err
		}
		if in.Password, err = from.Read(); err != nil {
			return err
		}
		return a.Create(c.Context(), in)
	}
	c.Flags().StringVar(&in.Username, "username", "", "name to log in with")
	c.Flags().StringVar(&in.Email, "email", "", "mail address")
	c.Flags().BoolVar(&in.Admin, "admin", false, "make an administrator")
	c.Flags().StringVar(&in.Tier, "tier", "", "Basic, Professional, Enterprise or Admin (default Basic; Admin with --admin)")
	c.Flags().StringVar(&in.Workspace, "workspace", "", "workspace id (default: NAME-workspace)")
	c.Flags().Int64Var(&in.Credits, "credits", 100, "starting balance")
	for _, name := range []string{"username", "email"} {
		if err := c.MarkFlagRequired(name); err != nil {
			panic(err) // the flag was added above
		}
	}
	return c
}

func userList() *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List the accounts", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			a, err := accounts(c)
			if err != nil {
				return err
			}
			return a.List(c.Context())
		}}
}

func userSetPassword() *cobra.Command {
	c := &cobra.Command{Use: "set-password NAME", Short: "Replace a password and end the account's sessions", Args: cobra.ExactArgs(1)}
	from := passwordInput(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		a, err := accounts(c)
		if err != nil {
			return err
		}
		pw, err := from.Read()
		if err != nil {
			return err
		}
		return a.SetPassword(c.Context(), args[0], pw)
	}
	return c
}

func userPromote() *cobra.Command {
	var revoke bool
	c := &cobra.Command{Use: "promote NAME", Short: "Make an account an administrator", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			a, err := accounts(c)
			if err != nil {
				return err
			}
			return a.Promote(c.Context(), args[0], !revoke)
		}}
	c.Flags().BoolVar(&revoke, "revoke", false, "take the right back")
	return c
}

func userSuspend() *cobra.Command {
	var lift bool
	c := &cobra.Command{Use: "suspend NAME", Short: "Keep an account from logging in and end its sessions", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			a, err := accounts(c)
			if err != nil {
				return err
			}
			return a.Suspend(c.Context(), args[0], !lift)
		}}
	c.Flags().BoolVar(&lift, "lift", false, "lift the suspension")
	return c
}

func userRevokeKey() *cobra.Command {
	return &cobra.Command{Use: "revoke-key KEY_ID", Short: "Disable an API key for good", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			a, err := accounts(c)
			if err != nil {
				return err
			}
			return a.RevokeKey(c.Context(), args[0])
		}}
}
