"""Probabilities for patches, labelled or not: ``python -m pcam.predict run=FOLDER data=kaggle data.root=DIR``."""

import contextlib
from pathlib import Path

from omegaconf import DictConfig

from pcam.door import door, plain


@door("predict")
def main(composed: DictConfig) -> None:
    """Write predictions/SPLIT.csv and, for Kaggle's unlabelled patches, submission.csv."""
    from hydra.core.hydra_config import HydraConfig

    from pcam import runs

    config, folder = runs.absolute(plain(composed)), Path(HydraConfig.get().runtime.output_dir)
    try:
        run = Path(config["run"])
        runs.read_config(run)
        from pcam import scoring
        from pcam.data.kaggle import submission
        from pcam.report import screens

        saved, model = scoring.open_run(run)
        data, splits = scoring.data_of(saved, config)
        split = config["split"] or ("predict" if data["name"] == "kaggle" else "test")
        source = scoring.open_split(data, splits, config["seed"], split)
        print(
            screens.before([("run", str(run)), (split, f"{data['name']}: {screens.described(source)}"), ("tta", config["tta"])])
        )
        probability = scoring.score(model, source, saved, data, split, config["tta"])
        runs.write_predictions(folder, split, source.ids, source.labels, probability, source.groups)
        print(f"\n{folder / 'predictions' / f'{split}.csv'}")
        if split == "predict":
            rows = submission(Path(data["root"]), source.ids, probability, config["submit"])
            runs.write_csv(folder / "submission.csv", ("id", "label"), rows)
            print(folder / "submission.csv")
    finally:
        with contextlib.suppress(OSError):
            folder.rmdir()


if __name__ == "__main__":
    main()
