// Two halves of POY x POX banks of pixels. Bank (i, j) holds the pixels with q = i mod POY, j mod POX, so that any
// POY x POX window at any stride and kernel offset reads each bank once. The window starts in bank (row_bank,
// col_bank); banks before those hold its part in the next row group or column group.
module input_buffer #(
    parameter int POX = 4,      // column banks
    parameter int POY = 4,      // row banks
    parameter int DW = 8,       // bits of a pixel
    parameter int DEPTH = 1024  // words of a bank in one half, a power of two
) (
    input  logic                       clk,       // clock
    input  logic                       we,        // write POX pixels this cycle
    input  logic                       wr_half,   // half to write
    input  logic [                7:0] wr_bank,   // row bank to write
    input  logic [               15:0] wr_word,   // word to write
    input  logic [         POX*DW-1:0] wr_data,   // pixel of column bank j at [j*DW +: DW]
    input  logic                       rd_half,   // half to read
    input  logic [               15:0] rd_word,   // word of the window's first pixel
    input  logic [               15:0] word_gy,   // words between row groups
    input  logic [                7:0] row_bank,  // row bank of the window's first row
    input  logic [                7:0] col_bank,  // column bank of the window's first column
    output logic [POY*POX*DW-1:0] rd_data    // pixel of bank (i, j) at [(i*POX+j)*DW +: DW], one cycle later
);
  localparam int A = $clog2(DEPTH);
  logic [15:0] here, right, below, both;
  assign here  = rd_word;
  assign right = rd_word + 16'd1;
  assign below = rd_word + word_gy;
  assign both  = below + 16'd1;

  for (genvar i = 0; i < POY; i++) begin : g_row
    for (genvar j = 0; j < POX; j++) begin : g_column
      logic [15:0] word;
      always_comb begin
        if (8'(i) < row_bank) word = 8'(j) < col_bank ? both : below;
        else word = 8'(j) < col_bank ? right : here;
      end
      ram #(.W(DW), .DEPTH(2 * DEPTH)) bank (
          .clk,
          .we     (we && wr_bank == 8'(i)),
          .wr_addr({wr_half, wr_word[A-1:0]}),
          .wr_data(wr_data[j*DW+:DW]),
          .re     (1'b1),
          .rd_addr({rd_half, word[A-1:0]}),
          .rd_data(rd_data[(i*POX+j)*DW+:DW])
      );
    end
  end
endmodule
