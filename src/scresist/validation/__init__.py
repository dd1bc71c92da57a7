"""The bench: functional assays beside the RNA, with the biological replicate as the unit."""


from scresist.validation.dose import dose_points, dose_ratios, dose_response




__all__ = ["blot", "combinations", "dose_points", "dose_ratios", "dose_response", "kinetics", "qpcr", "readouts"]
