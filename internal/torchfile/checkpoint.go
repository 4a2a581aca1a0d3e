package torchfile

// This file reads what training scripts save: a dictionary of state_dicts, settings and numbers. A module's state_dict alone counts as a
// checkpoint with one nameless part.

import (
	"errors"
	"fmt"

	"github.com/joule-ebm/joule/internal/pickle"
	"github.com/joule-ebm/joule/internal/safetensors"
)

// A Checkpoint is a dictionary that torch.save wrote.
type Checkpoint struct {
	Keys []string // of the dictionary, in its order; those whose value has no meaning here too
	// States are the dictionaries of tensors in it, by key; under "" the tensors of the dictionary itself.
	States map[string]*safetensors.File
	// Settings are what is a bool, int64, float64 or string in each dictionary in it, by the two keys.
	Settings map[string]map[string]any

	entries int // of the dictionaries so far
	texts   pickle.Strings
}

// mostEntries is more than a pickle can make, but not more than it can refer to: a large dictionary may be there under many keys.
const mostEntries = 1 << 20

func newCheckpoint(object any) (*Checkpoint, error) {
	dict, ok := object.(*pickle.Dict)
	if !ok {
		return nil, errors.New("the file holds no dictionary: want a checkpoint, or a module's state_dict")
	}
	c := &Checkpoint{Keys: dict.Keys, States: map[string]*safetensors.File{}, Settings: map[string]map[string]any{}, texts: pickle.Strings{}}
	if err := c.add("", dict); err != nil {
		return nil, err
	}
	for _, key := range dict.Keys {
		if part, ok := dict.Fields[key].(*pickle.Dict); ok {
			if err := c.add(key, part); err != nil {
				return nil, err
			}
		}
	}
	return c, nil
}

func (c *Checkpoint) add(key string, dict *pickle.Dict) error {
	if c.entries += len(dict.Fields); c.entries > mostEntries {
		return fmt.Errorf("the checkpoint has dictionaries of more than %d entries in all: refused", mostEntries)
	}
	file, err := tensors(dict)
	if err != nil {
		return err
	}
	if len(file.Tensors) > 0 {
		c.States[key] = file
	}
	settings := map[string]any{}
	for name, value := range dict.Fields {
		switch v := value.(type) {
		case bool, int64, float64:
			settings[name] = v
		case pickle.Text:
			settings[name] = c.texts.Of(v)
		}
	}
	if len(settings) > 0 {
		c.Settings[key] = settings
	}
	return nil
}
