package lifecycle

import (
	"bytes"
	"testing"
)

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"t":1,"s":"accept","o":"ok","ci":"192.0.2.0","p":["user"]}` + "\n"))
	f.Add([]byte("{}\n{"))
	f.Add([]byte(`{"t":1,"c":"x","h":"a"}` + "\n" + `{"t":2,"c":"x","s":"joined","=":true}` + "\n"))
	f.Add(Pack(nil, []byte(`{"t":1,"c":"x","h":"a"}`+"\n"+`{"t":2,"s":"joined","=":true}`+"\n")))
	f.Fuzz(func(t *testing.T, in []byte) {
		rows, err := Decode(in)
		if err != nil {
			return
		}
		var once, twice []byte
		for i := range rows {
			once, _ = Append(once, &rows[i])
		}
		again, err := Decode(once)
		if err != nil && len(once) <= MaxBatchBytes {
			t.Fatal(err)
		}
		for i := range again {
			twice, _ = Append(twice, &again[i])
		}
		if err == nil && !bytes.Equal(once, twice) {
			t.Fatalf("%s\n%s", once, twice)
		}
	})
}
