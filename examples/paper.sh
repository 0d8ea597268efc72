#!/bin/sh
# "Splitted Neural Networks for Equipment Inspection: Experiments and Resources", made again: its
# tables, its figures, each of its statements beside what is measured here, and what a network that
# is made to be split changes.
#
# Usage: examples/paper.sh FOLDER [STEEL]
# STEEL has the layout of Kaggle's Severstal set; without it, synthetic sheets are drawn. EPOCHS (12)
# is the length of both trainings, MINUTES (0.5) that of each measurement of speed.
set -eu
HERE=$(cd "$(dirname "$0")" && pwd)
STEEL=${2:+$(cd "$2" && pwd)}
EPOCHS=${EPOCHS:-12} MINUTES=${MINUTES:-0.5}
mkdir -p "$1"
cd "$1"

say() { printf '\n$ %s\n' "$*"; "$@"; }
report() { file="$1"; shift; printf '\n$ %s > %s\n' "$*" "$file"; "$@" --json > "$file"; }

if [ -z "$STEEL" ]; then
    say splittool synth steel --images 200 --force
    STEEL=steel
fi
for arch in unet splitnet; do
    say splittool train "$STEEL" --arch $arch --epochs "$EPOCHS" -o $arch.pt --force
    say splittool export $arch.pt -o $arch.xml --force
done
say python "$HERE/paper.py" untrained unet.pt
for arch in fcn32s fcn16s fcn8s pspnet; do
    say splittool export $arch.pt -o $arch.xml --force
done

# Tables I and II; Fig. 2 of all networks, and Figs. 3 to 5.
report table-1.json splittool bitrate unet.xml --bits 16 --fps 12 --fps 10
report table-2.json splittool bitrate unet.xml --bits 4 --fps 12 --fps 10
for arch in unet fcn32s fcn16s fcn8s pspnet; do
    report $arch.points.json splittool cut $arch.xml --list
    report $arch.places.json splittool cut $arch.xml --all
    say splittool plot $arch.places.json --kind cost -o fig-5a-$arch.svg --force
done
report speed.json splittool bench-vpu unet.xml --splits --minutes "$MINUTES"
say splittool plot unet.points.json fcn32s.points.json fcn16s.points.json fcn8s.points.json \
    pspnet.points.json --kind layers -o fig-2.svg --force
say splittool plot unet.history.jsonl -o fig-3-4.svg --force
say splittool plot unet.places.json speed.json --kind output -o fig-5b.svg --force

# What the paper left to "an optimal recovery system": both halves run, and what is sent is counted.
say splittool cut splitnet.pt --at latent -o latent --force
say splittool compare unet.xml unet.validation.txt --labels "$STEEL/train.csv" \
    --cut latent/cut.json --bits 16,8,4,2 --codec fast --formats jpeg --qualities 90,75,50,35,20,10 \
    -o compare.json --force
say splittool plot compare.json -o compare.svg --force
for radio in wifi lte 3g; do
    report energy-$radio.json splittool plan unet.xml --edge 100GFLOPS --cloud 5TFLOPS --link 1Gbps \
        --edge-energy 1.5W --idle-power 0.5W --radio $radio --best energy --infer compare.json
done

# One page of it all, with the masks of the whole network and of the bottleneck.
say splittool infer unet.xml unet.validation.txt --labels "$STEEL/train.csv" -o whole --force
say splittool infer latent/cut.json unet.validation.txt --labels "$STEEL/train.csv" -o split --force
say splittool page energy-wifi.json compare.json unet.points.json unet.places.json speed.json \
    whole/report.json split/report.json -o decision.html --force
say python "$HERE/paper.py" report "$STEEL"
printf '\nIn %s: paper.md, the figures and reports that it names, and decision.html.\n' "$1"
