package settings

// This file turns text into values and back: the one place that knows the types of settings.

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

var durationType = reflect.TypeFor[time.Duration]()

// typeName is what to expect of a value of type t, in words; empty if t cannot be a setting's.
func typeName(t reflect.Type) string {
	if t == durationType {
		return "duration"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "integer"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "integer, not negative"
	case reflect.Float32, reflect.Float64:
		return "number"
	case reflect.String:
		return "text"
	case reflect.Slice:
		if element := typeName(t.Elem()); element != "" && t.Elem().Kind() != reflect.Slice {
			return "list of " + element
		}
	}
	return ""
}

// assign sets a field that is not a list.
func (f field) assign(text string) error {
	v, err := parse(f.value.Type(), text)
	if err != nil {
		return fmt.Errorf("setting %s to %.60q: %w", f.name, text, err)
	}
	f.value.Set(v)
	return nil
}

// assignList sets a field that is a list.
func (f field) assignList(elements []string) error {
	list := reflect.Zero(f.value.Type()) // nil, if there are none
	for _, text := range elements {
		v, err := parse(list.Type().Elem(), text)
		if err != nil {
			return fmt.Errorf("setting %s, element %.60q: %w", f.name, text, err)
		}
		list = reflect.Append(list, v)
	}
	f.value.Set(list)
	return nil
}

// parse reads a value of type t, which is not a slice.
func parse(t reflect.Type, text string) (reflect.Value, error) {
	v := reflect.New(t).Elem()
	var err error
	switch trimmed := strings.TrimSpace(text); {
	case t == durationType:
		var d time.Duration
		if d, err = time.ParseDuration(trimmed); err != nil {
			return v, errors.New("want a duration, such as 90s or 1h30m")
		}
		v.SetInt(int64(d))
	case t.Kind() == reflect.Bool:
		if trimmed != "true" && trimmed != "false" {
			return v, errors.New("want true or false")
		}
		v.SetBool(trimmed == "true")
	case v.CanInt():
		var n int64
		if n, err = strconv.ParseInt(trimmed, 10, t.Bits()); err != nil {
			least := -(int64(1) << (t.Bits() - 1))
			return v, fmt.Errorf("want an integer from %d to %d", least, -(least + 1))
		}
		v.SetInt(n)
	case v.CanUint():
		var n uint64
		if n, err = strconv.ParseUint(trimmed, 10, t.Bits()); err != nil {
			return v, fmt.Errorf("want an integer from 0 to %d", ^uint64(0)>>(64-t.Bits()))
		}
		v.SetUint(n)
	case v.CanFloat():
		var x float64
		if x, err = parseFloat(trimmed, t.Bits()); err != nil {
			return v, errors.New("want a number")
		}
		v.SetFloat(x)
	default:
		if !utf8.ValidString(text) { // YAML could not keep it
			return v, errors.New("want UTF-8")
		}
		v.SetString(text)
	}
	return v, nil
}

// parseFloat takes Go's spelling of numbers and YAML's of those that are not finite: .inf and .nan.
func parseFloat(text string, bits int) (float64, error) {
	switch strings.ToLower(text) {
	case ".inf", "+.inf":
		return math.Inf(1), nil
	case "-.inf":
		return math.Inf(-1), nil
	case ".nan":
		return math.NaN(), nil
	}
	return strconv.ParseFloat(text, bits)
}

// format is a value as Set takes it.
func format(v reflect.Value) string {
	if v.Kind() == reflect.Slice {
		elements := make([]string, v.Len())
		for i := range elements {
			elements[i] = format(v.Index(i))
		}
		return strings.Join(elements, ",")
	}
	if v.CanFloat() {
		return strconv.FormatFloat(v.Float(), 'g', -1, v.Type().Bits())
	}
	return fmt.Sprint(v.Interface())
}

// CheckRange is an error, with the setting's name, unless its value lies between least and most.
func CheckRange(name string, value, least, most float64) error {
	if !(value >= least && value <= most) { // refuses NaN too
		return fmt.Errorf("setting %s is %v: want %v to %v", name, value, least, most)
	}
	return nil
}
