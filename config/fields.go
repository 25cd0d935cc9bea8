package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// field is one setting of a Config value.
type field struct {
	key    string
	doc    string
	secret string
	value  reflect.Value
}

// fields lists the settings of c in the order of their declaration.
func fields(c *Config) []field {
	v := reflect.ValueOf(c).Elem()
	t := v.Type()
	fs := make([]field, 0, t.NumField())
	for i := range t.NumField() {
		tag := t.Field(i).Tag
		fs = append(fs, field{
			key:    tag.Get("key"),
			doc:    tag.Get("doc"),
			secret: tag.Get("secret"),
			value:  v.Field(i),
		})
	}
	return fs
}

// env is the environment variable of the setting.
func (f field) env() string {
	return "PARTYLINE_" + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(f.key))
}

// flag is the flag of the setting, without dashes in front.
func (f field) flag() string { return strings.ReplaceAll(f.key, ".", "-") }

// set parses text into the setting.
func (f field) set(text string) error {
	switch p := f.value.Addr().Interface().(type) {
	case *string:
		*p = text
	case *[]string:
		*p = splitList(text)
	case *int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("%q is not a whole number", text)
		}
		*p = n
	case *bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		*p = b
	case *time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("%q is not a duration such as 25s or 2m", text)
		}
		*p = d
	case *Size:
		n, err := ParseSize(text)
		if err != nil {
			return err
		}
		*p = n
	default:
		return fmt.Errorf("type %T of a setting is not supported", p)
	}
	return nil
}

// text renders the setting; secrets are masked.
func (f field) text() string {
	var s string
	switch v := f.value.Interface().(type) {
	case []string:
		s = strings.Join(v, ",")
	default:
		s = fmt.Sprint(v)
	}
	switch {
	case s == "":
		return s
	case f.secret == "true":
		return "********"
	case f.secret == "url":
		return maskURL(s)
	}
	return s
}

// maskURL hides the user information of each URL in a comma-separated list.
func maskURL(list string) string {
	parts := strings.Split(list, ",")
	for i, u := range parts {
		scheme, rest, ok := strings.Cut(u, "://")
		if !ok {
			scheme, rest = "", u
		}
		if at := strings.LastIndexByte(rest, '@'); at >= 0 {
			rest = "********" + rest[at:]
		}
		if ok {
			rest = scheme + "://" + rest
		}
		parts[i] = rest
	}
	return strings.Join(parts, ",")
}

func splitList(text string) []string {
	var out []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}
