package dataset

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/dataset/internal/files"
)

// Folders are splits, classes or masks by what they are called and what lies beside them.
func TestFolders(t *testing.T) {
	for _, c := range []struct{ files, taken, left string }{
		{"Train/a/1 Train/b/1 TEST/a/1", "Train/a Train/b", ":test"},
		{"train/1 evaluation/1", "train", ":val"},
		{"trainval/a/1 trainval/b/1 test/a/1", "trainval/a trainval/b", ":test"},
		{"training_set/1 hold-out/1", "training_set", ":test"},
		{"01_train/a/1 02_test/a/1", "01_train/a", ":test"},
		{"train_256/1 val_256/1", "train_256", ":val"},
		{"seg_train/sea/1 seg_train/ice/1 seg_test/sea/1 seg_pred/1", "seg_train/ice seg_train/sea", ":test seg_pred"},
		{"cat/img_train/1 cat/img_test/1 dog/img_train/1 dog/img_test/1", "cat dog", ":test"},
		{"tr/a/1 tr/b/1 te/a/1", "tr/a tr/b", ":test"},
		{"TR/1 Va/1 TE/1", "TR", ":test :val"},
		{"en/1 tr/1 te/1", "en te tr", ""},
		{"trn/1 tst/1", "trn", ":test"},
		{"train_images/1 test_images/1", "train_images", ":test"},
		{"training/1 evaluation/1 testing/1", "training", ":test :val"},
		{"train2017/1 val2017/1 test-dev2017/1", "train2017", ":test :val"},
		{"train/1 test1/1", "train", ":test"},
		{"Training/a/1 PublicTest/a/1 PrivateTest/a/1", "Training/a", ":test"},
		{"imagesTr/1 imagesTs/1 labelsTr/1", "imagesTr", ":test labelsTr"},
		{"trainA/1 trainB/1 testA/1 testB/1", "trainA trainB", ":test"},
		{"train_1/a/1 train_2/a/1 test_1/a/1", "train_1/a train_2/a", ":test"},
		{"train_cats/1 train_dogs/1 test/1", "train_cats train_dogs", ":test"},
		{"train/1 train_masks/1 test/1", "train", ":test train_masks"},
		{"train_good/1 test_good/1 test_bad/1", "train_good", ":defects :test"},
		{"test/cat/1 test/dog/1", "test/cat test/dog", ""},
		{"train/good/1 test/good/1 test/bad/1", "train/good", ":defects :test"},
		{"train_station/1 test_tube/1", "test_tube train_station", ""},
		{"strain/1 contest/1", "contest strain", ""},
		{"images/1 images/2 masks/1", "images", "masks"},
		{"train/images/1 train/labels/1 val/images/1 val/labels/1", "train/images", ":val train/labels val/labels"},
		{"Images/train/1 Images/test/1 Ground_Truth/train/1", "Images/train", ":test Ground_Truth"},
		{"cat/1 dog/1 masks/1", "cat dog masks", ""},
		{"1 1_mask 2 2_GT", "", "*_GT *_mask"},
		{"a/1 a/1_label b/1 b/label_mask", "a b", "a/*_label"},
		{"Class1/Train/1 Class1/Train/Label/1 Class1/Test/2", "Class1/Train", ":test Class1/Train/Label"},
		{"V/JPEGImages/1 V/SegmentationClass/1 V/SegmentationObject/1", "V/JPEGImages", "V/SegmentationClass V/SegmentationObject"},
		{"leftImg8bit/train/1 leftImg8bit/val/2 gtFine/train/1", "leftImg8bit/train", ":val gtFine"},
		{"good/1 crack/1 mask/crack/1", "good", ":defects masks"},
		{"c/Data/Images/Normal/1 c/Data/Images/Anomaly/1 c/Data/Masks/Anomaly/1", "c/Data/Images/Normal", ":defects masks"},
	} {
		l := &files.Listing{}
		for _, name := range strings.Fields(c.files) {
			l.Files = append(l.Files, files.File{Name: name + ".png"})
		}
		found := findPictures(l, "")[0]
		split, err := pickSplit("x", found.splits, "")
		if err != nil {
			t.Errorf("%s: %v", c.files, err)
			continue
		}
		var taken, left []string
		for _, p := range takenParts(found.splits[split], true) {
			taken = append(taken, p.Name)
		}
		for _, p := range found.splits[split].left {
			left = append(left, p.Name)
		}
		slices.Sort(left)
		if got := fmt.Sprint(strings.Join(taken, " "), "; ", strings.Join(left, " ")); got != c.taken+"; "+c.left {
			t.Errorf("%s: %s, want %s; %s", c.files, got, c.taken, c.left)
		}
	}
}

// The names of splits may say which class, too.
func TestClassesOfSplits(t *testing.T) {
	for names, want := range map[string]string{
		"trainA/1 trainB/1 testA/1 testB/1":                 "a b",
		"train_cats/1 train_dogs/1 test_cats/1 test_dogs/1": "cats dogs",
		"Cats-Train/1 Dogs-Train/1 Cats-Test/1 Dogs-Test/1": "cats dogs",
		"img_train/1 img_test/1":                            "",
		"train_1/a/1 train_2/b/1 test_1/a/1":                "a b",
		"train_new/cup/1 train_old/cup/1 test_new/cup/1":    "cup",
		"tr/cat/1 tr/dog/1 te/cat/1":                        "cat dog",
	} {
		l := &files.Listing{}
		for _, name := range strings.Fields(names) {
			l.Files = append(l.Files, files.File{Name: name + ".png"})
		}
		if got := strings.Join(findPictures(l, "")[0].splits[Train].classes, " "); got != want {
			t.Errorf("%s: classes %q, want %q", names, got, want)
		}
	}
}
