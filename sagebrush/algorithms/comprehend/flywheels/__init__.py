"""The programs of flywheels: data sets to the data lake, data gathered for a model version, models evaluated."""
