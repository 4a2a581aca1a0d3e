// Package settings reads and changes the configuration of a run: a struct of structs whose fields carry a yaml tag and a doc tag,
//
//	type Config struct {
//		Sampler struct {
//			Steps int     `yaml:"steps" doc:"Langevin steps of a chain"`
//			Rate  float64 `yaml:"rate" doc:"step size, per unit of intensity"`
//		} `yaml:"sampler" doc:"how chains move"`
//	}
//
// A field is named by the yaml names on the way to it: sampler.steps. Its value comes from a YAML file ([Read]) or an assignment
// such as sampler.steps=40 ([Set]); both know the same keys and refuse the same mistakes. Fields are bool, integers, floats,
// string, time.Duration, slices of these, structs, and lists of settings ([Named]); fields with the tag yaml:"-" and unexported ones
// are left alone.
package settings

// This file finds fields by key and changes one.

import (
	"fmt"
	"reflect"
	"strings"
)

// Key describes a setting.
type Key struct {
	Name  string // dotted
	Type  string // in words, such as "integer" or "list of numbers"
	Value string // as Set takes it
	Doc   string // one line
}

// Named is implemented by pointers to the elements of a list that are settings of their own, such as the coefficients of a list of terms:
// a field of a struct with the tag yaml:",inline". Its keys stand in the file as the struct's own, in the order of the list. Which there are
// is up to the list as it is before it is read.
type Named interface {
	// Setting gives the key of an element, its doc, and a pointer to its value.
	Setting() (key, doc string, value any)
}

// Keys lists the settings of cfg, a pointer to a struct, in the order of the fields.
func Keys(cfg any) ([]Key, error) {
	fields, err := fieldsOf(cfg)
	if err != nil {
		return nil, err
	}
	var keys []Key
	for _, f := range fields {
		if !f.group {
			keys = append(keys, Key{f.name, typeName(f.value.Type()), format(f.value), f.doc})
		}
	}
	return keys, nil
}

// Set changes the field of cfg, a pointer to a struct, that assignment ("sampler.steps=40") names. The elements of a list are
// separated by commas. On error cfg stays as it was.
func Set(cfg any, assignment string) error {
	fields, err := fieldsToSet(cfg)
	if err != nil {
		return err
	}
	name, text, ok := strings.Cut(assignment, "=")
	if !ok {
		return fmt.Errorf("setting %.60q: want key=value", assignment)
	}
	f, err := find(fields, strings.TrimSpace(name))
	if err != nil {
		return err
	}
	if f.group {
		return fmt.Errorf("setting %s is a group: set one of %s", f.name, members(fields, f.name))
	}
	if f.value.Kind() == reflect.Slice {
		return f.assignList(splitList(text))
	}
	if f.value.Kind() == reflect.String && strings.TrimSpace(text) == `""` {
		text = "" // as Write has it
	}
	return f.assign(text)
}

// splitList takes a,b and [a, b]; nothing is the empty list.
func splitList(text string) []string {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
		text = text[1 : len(text)-1]
	}
	if strings.TrimSpace(text) == "" {
		return nil
	}
	elements := strings.Split(text, ",")
	for i := range elements {
		elements[i] = strings.TrimSpace(elements[i])
	}
	return elements
}

// field is a setting or a group of settings.
type field struct {
	name  string // dotted
	doc   string
	value reflect.Value
	group bool
}

var namedType = reflect.TypeFor[Named]()

// fieldsOf lists the fields of cfg, a pointer to a struct, depth first; a group comes before its members.
func fieldsOf(cfg any) ([]field, error) { return listFields(cfg, func(reflect.Value) {}) }

// fieldsToSet does the same for those who set them. Lists of settings are copied first: another cfg may share their memory.
func fieldsToSet(cfg any) ([]field, error) {
	return listFields(cfg, func(list reflect.Value) {
		if !list.IsNil() {
			list.Set(reflect.AppendSlice(reflect.MakeSlice(list.Type(), 0, list.Len()), list))
		}
	})
}

func listFields(cfg any, visitList func(list reflect.Value)) ([]field, error) {
	v := reflect.ValueOf(cfg)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return nil, fmt.Errorf("settings: want a pointer to a struct, not %T", cfg)
	}
	var fields []field
	var walk func(v reflect.Value, prefix string) error
	walk = func(v reflect.Value, prefix string) error {
		for i := range v.NumField() {
			f := v.Type().Field(i)
			name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			if !f.IsExported() || name == "-" {
				continue
			}
			if name == "" {
				name = strings.ToLower(f.Name) // as package yaml does
			}
			inline := strings.Contains(options, "inline")
			switch {
			case inline && f.Type.Kind() == reflect.Struct:
				if err := walk(v.Field(i), prefix); err != nil {
					return err
				}
			case inline && f.Type.Kind() == reflect.Slice && reflect.PointerTo(f.Type.Elem()).Implements(namedType):
				list := v.Field(i)
				visitList(list)
				for j := range list.Len() {
					key, doc, value := list.Index(j).Addr().Interface().(Named).Setting()
					p := reflect.ValueOf(value)
					if p.Kind() != reflect.Pointer || p.IsNil() || typeName(p.Type().Elem()) == "" {
						return fmt.Errorf("settings: %s is a %T, want a pointer to what can be a setting", prefix+key, value)
					}
					fields = append(fields, field{prefix + key, doc, p.Elem(), false})
				}
			case f.Type.Kind() == reflect.Struct:
				fields = append(fields, field{prefix + name, f.Tag.Get("doc"), v.Field(i), true})
				if err := walk(v.Field(i), prefix+name+"."); err != nil {
					return err
				}
			case typeName(f.Type) == "":
				return fmt.Errorf("settings: %s is a %v, which cannot be a setting", prefix+name, f.Type)
			default:
				fields = append(fields, field{prefix + name, f.Tag.Get("doc"), v.Field(i), false})
			}
		}
		return nil
	}
	return fields, walk(v.Elem(), "")
}

func find(fields []field, name string) (field, error) {
	for _, f := range fields {
		if f.name == name {
			return f, nil
		}
	}
	return field{}, fmt.Errorf("unknown setting %.60q%s", name, suggestion(fields, name))
}

// members are the names of the fields right below a group.
func members(fields []field, group string) string {
	var names []string
	for _, f := range fields {
		if rest, ok := strings.CutPrefix(f.name, group+"."); ok && !strings.Contains(rest, ".") {
			names = append(names, f.name)
		}
	}
	return strings.Join(names, ", ")
}
