package main

// This file says what a mistake in the command line was, and what is wanted instead.

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/joule-ebm/joule/model"
)

// onlySubcommands is for commands that do nothing themselves: a word that is no subcommand may be one mistyped.
func onlySubcommands(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if cmd.SuggestionsMinimumDistance == 0 {
		cmd.SuggestionsMinimumDistance = 2
	}
	message := fmt.Sprintf("unknown command %q for %q", args[0], cmd.CommandPath())
	if like := cmd.SuggestionsFor(args[0]); len(like) > 0 {
		message += ": did you mean " + strings.Join(like, " or ") + "?"
	}
	return errors.New(message)
}

// wanted says in words what values flags of a type take.
var wanted = map[string]string{
	"int": "a whole number", "int32": "a whole number", "int64": "a whole number", "uint": "a whole number, 0 or more", "uint64": "a whole number, 0 or more",
	"float64": "a number", "float32": "a number", "bool": "true or false", "duration": "a time such as 90s, 10m or 24h",
}

// explainFlag puts what Go says of a value into words.
func explainFlag(_ *cobra.Command, err error) error {
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return err
	}
	flag, value := invalid.GetFlag(), invalid.GetValue()
	kind := flag.Value.Type()
	want, ok := wanted[kind]
	if !ok {
		return fmt.Errorf("--%s is %q: %w", flag.Name, value, errors.Unwrap(invalid))
	}
	number, notNumber := strconv.ParseFloat(value, 64)
	unit := strings.TrimLeft(value, "0123456789.")
	switch {
	case kind == "duration" && notNumber == nil:
		want += fmt.Sprintf(", with its unit: %ss or %sm", value, value)
	case kind == "duration" && (strings.HasPrefix(unit, "d") || strings.HasPrefix(unit, "w")):
		want += "; there are no days: a day is 24h"
	case strings.Contains(kind, "int") && notNumber == nil && number == math.Trunc(number) && math.Abs(number) < 1<<53 &&
		(number >= 0 || !strings.HasPrefix(kind, "u")):
		want += fmt.Sprintf(", written %.0f", number)
	}
	return fmt.Errorf("--%s is %q: want %s", flag.Name, value, want)
}

// openModel opens the model that comes first on the command line, before what it is used on.
func openModel(path string, others ...string) (*model.Model, error) {
	m, err := model.Open(path)
	if err == nil {
		return m, nil
	}
	for _, other := range others {
		if isModel(other) && !isModel(path) {
			return nil, usageErrorf("%s is no model, but %s is: RUN comes first", path, other)
		}
	}
	return nil, err
}

// isModel says whether a path is that of a run, or of a model file, as far as names tell.
func isModel(path string) bool {
	for _, p := range []string{filepath.Join(path, model.File), filepath.Join(path, model.ConfigFile)} {
		if _, err := os.Stat(p); err == nil {
			return true
		}
	}
	return filepath.Ext(path) == filepath.Ext(model.File)
}
