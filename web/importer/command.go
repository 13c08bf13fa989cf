package importer

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

// flags of `import items`.
type flags struct {
	url, circuit, namespace, state string
	concurrency                    int
	timeout                        time.Duration
	json, strict, dryRun           bool
}

// Command returns `defarm import`. Its subcommands return an error when a row
// failed; nothing in here ends the process.
func Command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import",
		Short: "Import data from files through the API",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(itemsCommand())
	return cmd
}

func itemsCommand() *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "items FILE.csv --circuit ID",
		Short: "Push the animals of a CSV file to a circuit",
		Long: `Reads a CSV file (UTF-8; commas, semicolons or tabs) and pushes every row to a
circuit. The first line names the columns, in English or Portuguese:

  sisbov, rfid                 canonical identifiers: name the animal everywhere
  ear_tag                      the breeder's own number
  breed, sex, birth_date, farm_car, weight_kg, name   kept as data of the item

Other columns are left out. A row needs an identifier or an ear tag. Rows that
cannot be right are refused with their line and the reason; the others go on.
Importing the same file again creates nothing: every animal is found again.

The credential comes from the environment: ` + client.EnvToken + ` or ` + client.EnvAPIKey + `.
The exit status is 1 when a row failed on the server, with --strict also when
one was refused here.`,
		Example: `  export ` + client.EnvAPIKey + `=dfm_…
  defarm import items herd.csv --circuit 3b0c6f1e-52a5-4a0e-9c2f-0d7a5f1c9e11
  defarm import items herd.csv --dry-run`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cmd.SilenceUsage = true
			return f.run(cmd, args[0])
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.url, "url", client.DefaultURL, "the server")
	fl.StringVar(&f.circuit, "circuit", "", "UUID of the circuit to push to")
	fl.StringVar(&f.namespace, "namespace", "bovino", "namespace of the identifiers")
	fl.IntVar(&f.concurrency, "concurrency", 8, "requests in parallel, 1 to 256")
	fl.StringVar(&f.state, "state", "", "file that remembers finished rows, so that a large import can be continued")
	fl.DurationVar(&f.timeout, "timeout", 30*time.Second, "of one request")
	fl.BoolVar(&f.json, "json", false, "print the summary as JSON")
	fl.BoolVar(&f.strict, "strict", false, "fail also when rows were refused")
	fl.BoolVar(&f.dryRun, "dry-run", false, "only check the file, without a server")
	return cmd
}

func (f *flags) run(cmd *cobra.Command, path string) error {
	c, err := f.config(cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	c.Source, c.Size = file, info.Size()
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt)
	defer stop()
	sum, err := Run(ctx, c)
	if sum == nil {
		return err
	}
	return errors.Join(f.print(cmd, sum), err, f.verdict(sum))
}

func (f *flags) config(progress io.Writer) (Config, error) {
	c := Config{
		Circuit: f.circuit, Namespace: f.namespace, Concurrency: f.concurrency,
		StatePath: f.state, DryRun: f.dryRun, Progress: progress,
	}
	if f.dryRun {
		return c, nil
	}
	if f.circuit == "" {
		return Config{}, errors.New("--circuit is required (or --dry-run)")
	}
	cred := client.FromEnv()
	if cred.IsZero() {
		return Config{}, fmt.Errorf("no credential: set %s or %s", client.EnvToken, client.EnvAPIKey)
	}
	var err error
	c.Client, err = client.New(client.Options{
		URL: f.url, Credential: cred, Timeout: f.timeout,
		Transport: client.NewTransport(f.concurrency),
		// push-local with a derived local id may be repeated without harm.
		Retry: client.Retry{Network: true},
	})
	return c, err
}

func (f *flags) print(cmd *cobra.Command, sum *Summary) error {
	if f.json {
		return sum.WriteJSON(cmd.OutOrStdout())
	}
	if len(sum.IgnoredColumns) > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "columns left out: %q\n", sum.IgnoredColumns)
	}
	return sum.WriteText(cmd.OutOrStdout())
}

// verdict is the exit status as an error.
func (f *flags) verdict(sum *Summary) error {
	switch {
	case sum.Failed > 0:
		return fmt.Errorf("%d rows failed", sum.Failed)
	case f.strict && sum.Refused > 0:
		return fmt.Errorf("%d rows were refused", sum.Refused)
	default:
		return nil
	}
}
