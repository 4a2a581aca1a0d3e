// Command joule learns energy functions from images and generates, composes and checks images with them.
//
// Each subcommand has its file; this one starts them and says what went wrong: one line on standard error, and the exit code 1,
// or 2 where the command line itself is wrong.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/joule-ebm/joule/engine/mpi"
	"github.com/joule-ebm/joule/internal/terminal"
)

// reports is where to tell of a defect.
const reports = "https://github.com/joule-ebm/joule/issues"

// commands make the subcommands, in the order of the help.
var commands = []func() *cobra.Command{
	newTrainCommand,
	newDataCommand,
	newZooCommand,
	newSampleCommand,
	newComposeCommand,
	newEditCommand,
	newImportCommand,
	newExportCommand,
	newScoreCommand,
	newCalibrateCommand,
	newWatchCommand,
	newServeCommand,
	newEvalCommand,
	newStudyCommand, newAblateCommand,
	newReportCommand,
	newConformCommand,
	newBenchCommand,
	newDoctorCommand,
	newManCommand,
}

func main() {
	// Memory is a few large arenas of numbers, cheap to mark: much of it again as garbage is a poor trade for time.
	debug.SetGCPercent(10)
	mpi.Exit(execute(os.Args[1:], os.Stdout, os.Stderr))
}

// execute runs a command line and returns the exit code.
func execute(args []string, stdout, stderr io.Writer) (code int) {
	defer func() {
		if fault := recover(); fault != nil {
			fmt.Fprintf(stderr, "joule: internal error: %s; please report it, with the command you gave, at %s\n",
				terminal.OneLine(fmt.Sprint(fault, " ", faultPlace())), reports)
			code = 1
		}
	}()
	ctx, stop := signal.NotifyContext(context.Background(), append(mpi.Signals, os.Interrupt, syscall.SIGTERM)...)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once

	root := newRootCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	started := false
	onRun(root, func() { started = true })
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	hearRank0()
	if code := exitCode(0); errors.As(err, &code) {
		return int(code)
	}
	message := terminal.OneLine(err.Error())
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		message = strings.ReplaceAll(message, context.Canceled.Error(), "interrupted")
	}
	if usage := (usageError{}); started && !errors.As(err, &usage) {
		if err != errReported {
			fmt.Fprintln(stderr, rankName(), message)
		}
		return 1
	}
	fmt.Fprintf(stderr, "%s %s (see %s --help)\n", rankName(), message, cmd.CommandPath())
	return 2
}

// usageError is a mistake in the command line that only the command itself notices.
type usageError struct{ error }

func usageErrorf(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// exitCode is returned by a command whose outcome is no error, but has a code of its own.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

// errReported is returned by a command that has said itself what went wrong.
var errReported = errors.New("reported")

// renamedFlags are those of earlier versions, which go on to work.
var renamedFlags = map[string]string{"settle": "burn-in"}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "joule",
		Short: "Learn what images look like: energy-based models",
		Long: `Joule learns an energy function from images: low for images like those it has seen, high for
all others. A learnt energy generates new images and tells which images are out of distribution.`,
		Example: `  joule train                                  learn MNIST, in a few minutes
  joule sample RUN -o digits.png               generate digits with what was learnt
  joule score RUN photos/                      which of these pictures are out of distribution?
  joule eval ood RUN --out-of fashion-mnist    how well does it tell digits from clothes?`,
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          onlySubcommands,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(explainFlag)
	root.SetVersionTemplate("joule {{.Version}}\n")
	root.SetGlobalNormalizationFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		return pflag.NormalizedName(cmp.Or(renamedFlags[name], name))
	})
	for _, command := range commands {
		root.AddCommand(command())
	}
	return root
}

// onRun has start called when a command begins its work: an error before that is one of usage.
func onRun(cmd *cobra.Command, start func()) {
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			start()
			if err := checkAlone(cmd); err != nil {
				return err
			}
			return run(cmd, args)
		}
	}
	for _, sub := range cmd.Commands() {
		onRun(sub, start)
	}
}

// version is that of the module, and the commit it was built from as far as the build knows it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown version)"
	}
	parts := []string{info.Main.Version}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			parts = append(parts, s.Value[:min(12, len(s.Value))])
		case s.Key == "vcs.modified" && s.Value == "true":
			parts = append(parts, "with changes")
		}
	}
	return strings.Join(append(parts, info.GoVersion, runtime.GOOS+"/"+runtime.GOARCH), " ")
}

// faultPlace is where the panic being recovered from began.
func faultPlace() string {
	callers := make([]uintptr, 32)
	frames := runtime.CallersFrames(callers[:runtime.Callers(2, callers)])
	panicked := false
	for {
		frame, more := frames.Next()
		inRuntime := strings.HasPrefix(frame.Function, "runtime.")
		if panicked && !inRuntime {
			return fmt.Sprintf("(%s:%d)", frame.Function, frame.Line)
		}
		if panicked = panicked || inRuntime; !more {
			return ""
		}
	}
}
