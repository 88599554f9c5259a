#!/usr/bin/env bash
# Train the checkpoints that ship with the package, by the commands that their specifications name.
#
#   scripts/train_shipped_models.sh ISL_FOLDER WORK_FOLDER [well|gt_unet|simulated]...
#
# ISL_FOLDER holds phase.ome.tif and fluorescence.ome.tif of the well that the sample
# "ISL well" of the plugin opens. WORK_FOLDER receives the training data and the models; copy
# the models to src/napari_virtual_stain/models when their scores (docs/models.md) please.
set -euo pipefail
isl=$(realpath "$1")
work=$2
mkdir -p "$work" && cd "$work"
shift 2
# glibc gives large blocks back and faults them in again, which takes as long as the arithmetic.
export MALLOC_MMAP_THRESHOLD_=4000000000 MALLOC_TRIM_THRESHOLD_=8000000000

of_the_well=(
  --input phase --target DAPI --target MAP2 --target NFH
  --seed 0 --precision bf16 --half --train-crop X=0:640 --validation-crop X=640:800
  --data "Columns 0-639 of one well (condition B, 13 phase-contrast planes and confocal maximum projections); columns 640-799 chose the step and gave the scores."
  --licence "CC-BY-4.0"
  --attribution "Christiansen et al., Cell 173 (2018), google/in-silico-labeling"
)

pairs_of_the_well() {
  printf 'input,target\n%s,%s\n' "$isl/phase.ome.tif" "$isl/fluorescence.ome.tif" > isl_condition_b.csv
}

well() {
  pairs_of_the_well
  vstain train isl_condition_b.csv --output phase13_dapi_map2_nfh.safetensors --overwrite \
    --preset best-small --steps 3000 --validate-every 100 "${of_the_well[@]}" \
    --description "Phase contrast focus series of human motor neurons to nuclei (DAPI), dendrites (MAP2) and axons (NFH)."
}

gt_unet() {
  pairs_of_the_well
  vstain train isl_condition_b.csv --output phase13_gt_unet.safetensors --overwrite \
    --preset gt-unet --option filters=16 --option growth=8 --option window=64 --option dropout=0 \
    --batch 8 --learning-rate 1e-3 --averaging 0.98 --steps 1000 --validate-every 100 "${of_the_well[@]}" \
    --description "The same as phase13_dapi_map2_nfh by a small GT U-Net, which predicts a distribution over grey values: to see how that method works, and its uncertainty."
}

simulated() {
  vstain simulate --output simulated_train --size 256 --count 32 --seed 0 --overwrite > /dev/null
  vstain simulate --output simulated_validation --size 256 --count 4 --seed 1000 --overwrite > /dev/null
  vstain train simulated_train --validation simulated_validation \
    --output simulated_brightfield.safetensors --overwrite \
    --input brightfield --target fluorescence \
    --preset best-small --steps 1500 --seed 0 --precision bf16 --half --validate-every 100 \
    --description "Simulated brightfield focus series to simulated nuclei and cytoplasm: for the demo, it knows no real cell." \
    --data "32 simulated fields (vstain simulate --size 256 --count 32 --seed 0)." \
    --licence "BSD-3-Clause" --attribution "napari-virtual-stain developers"
}

for model in "${@:-well gt_unet simulated}"; do
  for one in $model; do "$one"; done
done
